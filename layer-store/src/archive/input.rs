//! The outermost wrapping of an archive, told by its first bytes; formats that dhow does not read are named.

use std::io::{self, Cursor, Read};

use super::ArchiveProblem;
use crate::error::{Error, Result};
use crate::layer::Decompressor;

/// As many bytes as tell the formats apart.
const MAGIC: u64 = 6;

/// Begins of formats that dhow does not read, and what they are.
const FOREIGN: [(&[u8], &str); 6] = [
    (b"\xfd7zXZ\0", "xz"),
    (b"BZh", "bzip2"),
    (b"PK\x03\x04", "zip"),
    (b"7z\xbc\xaf\x27\x1c", "7-Zip"),
    (b"\x04\x22\x4d\x18", "lz4"),
    (b"\x1f\x9d", "compress"),
];

/// All bytes of an input, also those that were looked at.
type Whole<R> = io::Chain<Cursor<Vec<u8>>, R>;

/// Reads `inner` without its compression.
pub(crate) fn decompressed<R: Read>(mut inner: R) -> Result<Decompressor<Whole<R>>> {
    let mut start = Vec::new();
    inner.by_ref().take(MAGIC).read_to_end(&mut start).map_err(Error::stream("read the archive"))?;
    if start.is_empty() {
        return Err(ArchiveProblem::Empty.into());
    }
    if let Some((_, name)) = FOREIGN.iter().find(|(magic, _)| start.starts_with(magic)) {
        return Err(ArchiveProblem::Compression(name).into());
    }
    Decompressor::new(Cursor::new(start).chain(inner)).map_err(Error::stream("decompress the archive"))
}
