//! Executing the steps of a plan.

mod chmod;
mod place;
mod transfer;
