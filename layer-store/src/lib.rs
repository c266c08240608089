//! Content, layers, snapshots, images and archives of dhow, in plain files.
//!
//! This crate knows nothing of registries, Dockerfiles and processes.

pub mod oci;

mod blob;
mod durable;
mod error;
mod ingest;
mod options;
mod staging;
mod store;
#[cfg(test)]
mod test_store;

pub use blob::{BlobReader, BlobWriter, DOCUMENT_LIMIT};
pub use error::{Error, Result};
pub use ingest::BlobIngest;
pub use options::{Ownership, SnapshotterChoice, StoreOptions};
pub use staging::StagingDir;
pub use store::Store;
