//! Compressed layer -> tar, by what the first bytes say rather than what the media type says.

use std::io::{self, BufReader, Chain, Cursor, Read};

use flate2::bufread::MultiGzDecoder;

use crate::oci::Compression;

/// Size of the buffer before the decoder, in bytes.
const BUFFER: usize = 128 * 1024;

/// As many bytes as tell the formats apart.
const MAGIC: usize = 6;

type Input<R> = BufReader<Chain<Cursor<Vec<u8>>, R>>;

/// Reads a stream that may be compressed with gzip or zstd, in any number of members or frames.
pub struct Decompressor<R: Read>(Decoder<R>);

enum Decoder<R: Read> {
    None(Input<R>),
    Gzip(Box<MultiGzDecoder<Input<R>>>),
    Zstd(Box<zstd::stream::read::Decoder<'static, Input<R>>>),
}

impl<R: Read> Decompressor<R> {
    /// Looks at the first bytes of `input`. What is neither gzip nor zstd is passed on as it is.
    ///
    /// # Errors
    /// Reading fails, or the stream has another compression (xz, bzip2), which layers never have.
    pub fn new(mut input: R) -> io::Result<Self> {
        let mut magic = Vec::with_capacity(MAGIC);
        input.by_ref().take(MAGIC as u64).read_to_end(&mut magic)?;
        let compression = sniff(&magic)?;
        let input = BufReader::with_capacity(BUFFER, Cursor::new(magic).chain(input));
        Ok(Self(match compression {
            Compression::None => Decoder::None(input),
            Compression::Gzip => Decoder::Gzip(Box::new(MultiGzDecoder::new(input))),
            Compression::Zstd => Decoder::Zstd(Box::new(zstd::stream::read::Decoder::with_buffer(input)?)),
        }))
    }

    /// What the stream turned out to be.
    pub fn compression(&self) -> Compression {
        match &self.0 {
            Decoder::None(_) => Compression::None,
            Decoder::Gzip(_) => Compression::Gzip,
            Decoder::Zstd(_) => Compression::Zstd,
        }
    }
}

impl<R: Read> Read for Decompressor<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.0 {
            Decoder::None(input) => input.read(buffer),
            Decoder::Gzip(decoder) => decoder.read(buffer),
            Decoder::Zstd(decoder) => decoder.read(buffer),
        }
    }
}

impl<R: Read> std::fmt::Debug for Decompressor<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Decompressor").field(&self.compression()).finish()
    }
}

fn sniff(magic: &[u8]) -> io::Result<Compression> {
    let foreign = |name: &str| {
        let text = format!("the stream is compressed with {name}, which is not supported here");
        Err(io::Error::new(io::ErrorKind::InvalidData, text))
    };
    match magic {
        [0x1f, 0x8b, ..] => Ok(Compression::Gzip),
        // A frame, or one that may be skipped, as some writers begin with.
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Ok(Compression::Zstd),
        [0xfd, b'7', b'z', b'X', b'Z', 0] => foreign("xz"),
        [b'B', b'Z', b'h', b'1'..=b'9', ..] => foreign("bzip2"),
        _ => Ok(Compression::None),
    }
}
