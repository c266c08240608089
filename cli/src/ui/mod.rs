//! Progress on standard error: rows on a terminal, prefixed lines elsewhere, or nothing. Results never go this way.

mod build;
mod cells;
mod escapes;
mod groups;
mod mode;
mod palette;
mod raw_json;
mod row;
mod running;
mod screen;
mod show;
mod size;
mod transfer;

pub(crate) use build::BuildProgress;
pub(crate) use cells::fit;
pub(crate) use escapes::{Escapes, Keep};
pub(crate) use groups::{Ci, escaped};
pub(crate) use mode::Mode;
pub(crate) use raw_json::RawJson;
pub(crate) use screen::Screen;
pub(crate) use transfer::{Step, Transfer};
