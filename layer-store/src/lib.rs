//! Content, layers, snapshots, images and archives of dhow, in plain files.
//!
//! This crate knows nothing of registries, Dockerfiles and processes. From the bottom up: [`Root`] is the only way to
//! untrusted paths; [`TarReader`] and [`TarWriter`] know tar streams, [`Compressor`] and [`Decompressor`] what is around
//! them; [`unpack`] and [`Layer`] turn tars into trees and back; [`Store::prepare`] and [`Store::view`] stack them; images,
//! names and archives are made of layers. The module page of `store` is the format on disk.

pub mod oci;

pub mod archive;
mod blob;
mod byte_locks;
mod cache_account;
mod cache_mounts;
mod cache_prune;
mod cache_usage;
mod cleaner;
mod durable;
mod error;
mod find;
mod gc;
mod image;
mod image_index;
mod import;
mod ingest;
mod layer;
mod layer_cost;
mod layer_entry;
mod layer_id;
mod leases;
mod left_image;
mod manifest_for;
mod mark;
mod options;
mod packing;
mod portable;
mod record;
mod refs;
mod removal;
mod root;
mod snapshot;
mod squash;
mod staging;
mod store;
mod sweep_lock;
mod tarball;
#[cfg(test)]
mod test_skip;
#[cfg(test)]
mod test_store;
mod tree_size;
mod validate;

pub use blob::{BlobReader, BlobWriter, DOCUMENT_LIMIT};
pub use byte_locks::ByteLocks;
pub use cache_prune::{CachePrune, CachePruned};
pub use cache_usage::{CacheItem, CacheItemKind, CacheUsage};
pub use error::{Error, Result};
pub use find::Found;
pub use gc::{SweepOptions, Swept};
pub use image::Image;
pub use image_index::{ImageIndex, IndexEntry, IndexPlan};
pub use import::{ImportOptions, image_from_layer, import_dir, import_tar};
pub use ingest::BlobIngest;
pub use layer::{Compressor, Decompressor, PipeReader, TarStream, Unpacked, Whiteouts, unpack, write_trees};
pub use layer_entry::Layer;
pub use layer_id::{LayerId, Stack};
pub use options::{SnapshotterChoice, StoreOptions};
pub use packing::{Dialect, ExistingBlobs, Packing};
pub use record::{CacheKey, CacheRecord, ListedRecord};
pub use refs::RefTarget;
pub use removal::{Conflict, ContainerState, ContainerUse, Force, Removed};
pub use root::{Device, FileId, FileKind, Metadata, Ownership, Root, Timestamp, Xattr, copy_data};
pub use snapshot::{ActiveSnapshot, ContainerTree, MOUNT_POINTS, SnapshotRootfs, SnapshotView};
pub use staging::StagingDir;
pub use store::Store;
pub use tarball::{EntryKind, TarEntry, TarReader, TarWriter};
pub use validate::Problem;
