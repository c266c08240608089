//! Progress on standard error: bars on a terminal, prefixed lines elsewhere, or nothing. Results never go this way.

mod build;
mod groups;
mod mode;
mod raw_json;
mod transfer;

pub(crate) use build::BuildProgress;
pub(crate) use groups::{Ci, escaped};
pub(crate) use mode::Mode;
pub(crate) use raw_json::RawJson;
pub(crate) use transfer::{Step, Transfer};
