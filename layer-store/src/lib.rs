//! Content, layers, snapshots, images and archives of dhow, in plain files.
//!
//! This crate knows nothing of registries, Dockerfiles and processes.

pub mod oci;

mod error;
mod root;

pub use error::{Error, Result};
pub use root::{Device, FileId, FileKind, Metadata, Ownership, Root, Timestamp, Xattr, copy_data};
