//! The outermost wrapping of an archive: which compression, told by its first bytes.

use std::io::{self, Cursor, Read};

use flate2::bufread::MultiGzDecoder;

use super::ArchiveProblem;
use crate::error::{Error, Result};
use crate::oci::Compression;

const BUFFER: usize = 128 << 10;

/// Begins of formats, and what they are.
const FOREIGN: [(&[u8], &str); 6] = [
    (b"\xfd7zXZ\0", "xz"),
    (b"BZh", "bzip2"),
    (b"PK\x03\x04", "zip"),
    (b"7z\xbc\xaf\x27\x1c", "7-Zip"),
    (b"\x04\x22\x4d\x18", "lz4"),
    (b"\x1f\x9d", "compress"),
];

/// An input whose compression is known.
pub(crate) struct Input<R> {
    /// How it is compressed.
    pub(crate) compression: Compression,
    /// All bytes, also those that were looked at.
    pub(crate) bytes: io::Chain<Cursor<Vec<u8>>, R>,
}

impl<R: Read> Input<R> {
    /// Looks at the first bytes of `inner`.
    pub(crate) fn detect(mut inner: R) -> Result<Self> {
        let mut start = Vec::new();
        inner.by_ref().take(6).read_to_end(&mut start).map_err(Error::stream("read the archive"))?;
        if start.is_empty() {
            return Err(ArchiveProblem::Empty.into());
        }
        if let Some((_, name)) = FOREIGN.iter().find(|(magic, _)| start.starts_with(magic)) {
            return Err(ArchiveProblem::Compression(name).into());
        }
        let compression = match start[..] {
            [0x1f, 0x8b, ..] => Compression::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Compression::Zstd,
            _ => Compression::None,
        };
        Ok(Self { compression, bytes: Cursor::new(start).chain(inner) })
    }
}

impl<'a, R: Read + 'a> Input<R> {
    /// The bytes without their compression.
    pub(crate) fn decompressed(self) -> Result<Box<dyn Read + 'a>> {
        let bytes = io::BufReader::with_capacity(BUFFER, self.bytes);
        Ok(match self.compression {
            Compression::None => Box::new(bytes),
            Compression::Gzip => Box::new(MultiGzDecoder::new(bytes)),
            Compression::Zstd => {
                let decoder = zstd::stream::read::Decoder::with_buffer(bytes);
                Box::new(decoder.map_err(Error::stream("decompress the archive"))?)
            }
        })
    }
}
