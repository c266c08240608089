//! Progress on standard error: bars on a terminal, prefixed lines elsewhere, or nothing. Results never go this way.

mod build;
mod mode;
mod transfer;

pub(crate) use build::BuildProgress;
pub(crate) use mode::Mode;
pub(crate) use transfer::{Step, Transfer};
