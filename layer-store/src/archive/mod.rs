//! Images in one file: docker-archives and OCI layouts in a tar, written and read as a stream.
//!
//! An archive is only ever read into the staging area, checked there, and added whole.

mod candidate;
mod docker;
mod event;
mod export;
mod input;
mod layout_dir;
mod load;
mod oci_layout;
mod problem;
mod save;
#[cfg(test)]
mod several_tests;
mod spool;
#[cfg(test)]
mod tests;

pub use event::{Event, Progress};
pub use export::{Content, Export, Tables, export, export_dir};
pub use layout_dir::{LayoutPick, image_from_layout};
pub use load::{Loaded, load};
pub use problem::ArchiveProblem;
pub use save::{Selected, save};

pub(crate) use input::decompressed;
