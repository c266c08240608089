//! Executing the steps of a plan.

mod chmod;
#[cfg(test)]
mod copy_tests;
mod place;
mod transfer;
