//! What a caller decides about a store when opening it. Nothing here is written to disk.

use crate::root::Ownership;

/// How a store is to be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StoreOptions {
    /// Where owners and device numbers of files are kept.
    pub ownership: Ownership,
    /// How writable trees are made.
    pub snapshotter: SnapshotterChoice,
}

/// Which way of making a writable tree from layers is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SnapshotterChoice {
    /// Overlay where the kernel lets us mount it, else copies.
    #[default]
    Automatic,
    /// An overlay mount; an error where it cannot be had.
    Overlay,
    /// A copied tree; needs no right to mount.
    Copy,
}
