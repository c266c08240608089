//! What saving and loading tell of their progress.

/// A step of saving or loading an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event<'a> {
    /// The member `name` of `size` bytes is being written or read.
    Started {
        /// The member; for a blob of an OCI layout its path ends with the digest's digits.
        name: &'a str,
        /// Its size in bytes.
        size: u64,
    },
    /// So many more bytes of the member are written or read.
    Advanced {
        /// The member.
        name: &'a str,
        /// Bytes since the last event.
        bytes: u64,
    },
    /// The member is complete.
    Done {
        /// The member.
        name: &'a str,
    },
    /// The member is a layer, and its content is what the config says.
    Verified {
        /// The member.
        name: &'a str,
    },
}

/// Where the events go. Called from several threads.
pub type Progress<'a> = &'a (dyn Fn(Event<'_>) + Sync);
