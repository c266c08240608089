//! Content, layers, snapshots, images and archives of dhow, in plain files.
//!
//! This crate knows nothing of registries, Dockerfiles and processes.

pub mod oci;

mod error;
mod layer;
mod root;
mod tarball;

pub use error::{Error, Result};
pub use layer::{Unpacked, Whiteouts, unpack};
pub use root::{Device, FileId, FileKind, Metadata, Ownership, Root, Timestamp, Xattr, copy_data};
pub use tarball::{EntryKind, TarEntry, TarReader, TarWriter};
