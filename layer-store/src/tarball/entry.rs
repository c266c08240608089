//! One entry of a tar stream without its data.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::root::{Device, Timestamp, Xattr};

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file.
    Regular,
    /// A further name of the entry that the path names.
    HardLink(Vec<u8>),
    /// A symbolic link to any text.
    Symlink(Vec<u8>),
    /// A directory.
    Directory,
    /// A character device.
    CharDevice(Device),
    /// A block device.
    BlockDevice(Device),
    /// A named pipe.
    Fifo,
}

/// One entry of a tar stream: everything but its data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TarEntry {
    /// The path as written, but without the slash at the end of a directory's; any bytes but zero.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: EntryKind,
    /// Permission bits (`0o7777`).
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Time of the last change. The writer drops the fraction of a second.
    pub mtime: Timestamp,
    /// Length of the data in bytes, with its holes.
    pub size: u64,
    /// Extended attributes (`SCHILY.xattr.` records), in the order of the stream.
    pub xattrs: Vec<Xattr>,
}

impl TarEntry {
    /// An entry of root's, of 1970, without data or attributes.
    pub fn new(path: impl Into<Vec<u8>>, kind: EntryKind, mode: u32) -> Self {
        let path = path.into();
        Self { path, kind, mode, uid: 0, gid: 0, mtime: Timestamp::default(), size: 0, xattrs: Vec::new() }
    }

    /// The entry's path as a path of this system.
    pub fn path(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.path))
    }
}
