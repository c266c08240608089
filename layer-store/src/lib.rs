//! Content, layers, snapshots, images and archives of dhow, in plain files.
//!
//! This crate knows nothing of registries, Dockerfiles and processes.

pub mod oci;

mod blob;
mod durable;
mod error;
mod find;
mod gc;
mod image;
mod ingest;
mod layer_entry;
mod options;
mod record;
mod refs;
mod removal;
mod staging;
mod store;
#[cfg(test)]
mod test_store;
mod root;

pub use blob::{BlobReader, BlobWriter, DOCUMENT_LIMIT};
pub use error::{Error, Result};
pub use find::Found;
pub use gc::{SweepOptions, Swept, WhenBusy};
pub use image::Image;
pub use ingest::BlobIngest;
pub use layer_entry::{Layer, LayerId, Stack};
pub use options::{Ownership, SnapshotterChoice, StoreOptions};
pub use record::{CacheKey, CacheRecord, ListedRecord};
pub use refs::RefTarget;
pub use removal::{Conflict, ContainerState, ContainerUse, Force, Removed};
pub use staging::StagingDir;
pub use store::Store;
pub use root::{Device, FileId, FileKind, Metadata, Root, Timestamp, Xattr, copy_data};
