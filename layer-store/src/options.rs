//! What a caller decides about a store when opening it. Nothing here is written to disk.

/// How a store is to be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StoreOptions {
    /// Where owners and device numbers of files are kept.
    pub ownership: Ownership,
    /// How writable trees are made.
    pub snapshotter: SnapshotterChoice,
}

/// Where the owners and the device numbers of a layer's files are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Ownership {
    /// In the inodes: as root, or in a user namespace with a range of ids.
    #[default]
    OnDisk,
    /// Beside the inodes, in the attribute `user.dhow.stat`: in a user namespace with a single id.
    Recorded,
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
