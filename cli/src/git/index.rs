//! The index of a checkout, version 2 (gitformat-index(5)): without it git takes every file for deleted.

use gix_hash::{Kind, ObjectId};

use super::error::GitError;

/// A file as the index has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// Path from the top.
    pub(super) path: Vec<u8>,
    /// Type and permission.
    pub(super) mode: u32,
    /// Its object.
    pub(super) id: ObjectId,
    /// Its size, the lower 32 bits.
    pub(super) size: u32,
}

/// The bytes of an index of `entries`. Times and inodes are left open, so that git looks at the files itself.
pub(super) fn encode(entries: &[Entry]) -> Result<Vec<u8>, GitError> {
    let mut sorted: Vec<&Entry> = entries.iter().collect();
    sorted.sort_by(|one, other| one.path.cmp(&other.path));
    let mut bytes = b"DIRC\0\0\0\x02".to_vec();
    bytes.extend((sorted.len() as u32).to_be_bytes());
    for entry in sorted {
        let start = bytes.len();
        bytes.extend([0; 24]);
        bytes.extend(entry.mode.to_be_bytes());
        bytes.extend([0; 8]);
        bytes.extend(entry.size.to_be_bytes());
        bytes.extend(entry.id.as_slice());
        bytes.extend((entry.path.len().min(0xfff) as u16).to_be_bytes());
        bytes.extend(&entry.path);
        // At least one zero, up to a multiple of eight.
        let length = bytes.len() - start;
        bytes.resize(start + (length / 8 + 1) * 8, 0);
    }
    let mut hasher = gix_hash::hasher(Kind::Sha1);
    hasher.update(&bytes);
    let digest = hasher.try_finalize().map_err(|error| GitError::Pack(error.to_string()))?;
    bytes.extend(digest.as_slice());
    Ok(bytes)
}
