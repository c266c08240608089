//! Executing the steps of a plan: what each kind of step does to a tree.
//!
//! [`graph`] decides which steps are executed, and when.

mod about;
mod agent;
mod archive;
mod bind;
mod blind;
mod cache_mount;
mod copy;
#[cfg(test)]
mod copy_tests;
mod download;
mod emulation;
mod graph;
mod inspect;
mod mounts;
mod output;
mod owner;
mod place;
mod previous;
mod probe;
mod repository;
mod run;
mod selection;
mod sight;
mod slots;
mod step;
mod support;
mod transfer;

pub use archive::decompressed;
pub(crate) use emulation::check_platforms;
pub(crate) use graph::{Executor, STACK_SIZE, Sources};
pub(crate) use sight::Sight;
pub(crate) use support::check_support;
