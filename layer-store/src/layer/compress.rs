//! Tar -> compressed layer: gzip or zstd on several threads, the same bytes however many they are.

use std::io::{self, Write};
use std::num::NonZero;
use std::thread;

use super::gzip::ParallelGzip;
use crate::oci::Compression;

/// The gzip level. Measured on programs and texts: 3 takes a quarter of the time of gzip's own 6 on one thread, and the
/// result is 6 % larger.
const GZIP_LEVEL: u32 = 3;

/// Zstandard's own default.
const ZSTD_LEVEL: i32 = 3;

/// Compresses what is written to it. [`finish`](Self::finish) must be called, or the stream is cut short.
pub struct Compressor<W: Write>(Encoder<W>);

enum Encoder<W: Write> {
    None(W),
    Gzip(ParallelGzip<W>),
    Zstd(zstd::stream::write::Encoder<'static, W>),
}

impl<W: Write> Compressor<W> {
    /// Compresses to `out` on all processors.
    ///
    /// # Errors
    /// Writing fails, or threads cannot be made.
    pub fn new(out: W, compression: Compression) -> io::Result<Self> {
        Self::with_level(out, compression, None)
    }

    /// The same with a level of the format's own: 0 to 9 for gzip, 0 to 22 for zstd.
    ///
    /// # Errors
    /// Writing fails, or threads cannot be made.
    pub fn with_level(out: W, compression: Compression, level: Option<u32>) -> io::Result<Self> {
        let threads = thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN);
        Ok(Self(encoder(out, (compression, level), threads)?))
    }

    /// Compresses to `out` on `threads` threads. The bytes do not depend on their number.
    ///
    /// # Errors
    /// Writing fails, or threads cannot be made.
    pub fn with_threads(out: W, compression: Compression, threads: NonZero<usize>) -> io::Result<Self> {
        Ok(Self(encoder(out, (compression, None), threads)?))
    }

    /// Ends the stream and gives `out` back.
    ///
    /// # Errors
    /// Writing fails.
    pub fn finish(self) -> io::Result<W> {
        match self.0 {
            Encoder::None(out) => Ok(out),
            Encoder::Gzip(encoder) => encoder.finish(),
            Encoder::Zstd(encoder) => encoder.finish(),
        }
    }
}

fn encoder<W: Write>(
    out: W,
    (compression, level): (Compression, Option<u32>),
    threads: NonZero<usize>,
) -> io::Result<Encoder<W>> {
    Ok(match compression {
        Compression::None => Encoder::None(out),
        Compression::Gzip => Encoder::Gzip(ParallelGzip::new(out, level.unwrap_or(GZIP_LEVEL), threads.get())?),
        Compression::Zstd => {
            let level = level.and_then(|level| i32::try_from(level).ok()).unwrap_or(ZSTD_LEVEL);
            let mut encoder = zstd::stream::write::Encoder::new(out, level)?;
            encoder.include_checksum(true)?;
            // Also one worker is a worker: without any, other bytes come out.
            encoder.multithread(u32::try_from(threads.get()).unwrap_or(1))?;
            Encoder::Zstd(encoder)
        }
    })
}

impl<W: Write> Write for Compressor<W> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        match &mut self.0 {
            Encoder::None(out) => out.write(buffer),
            Encoder::Gzip(encoder) => encoder.write(buffer),
            Encoder::Zstd(encoder) => encoder.write(buffer),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.0 {
            Encoder::None(out) => out.flush(),
            Encoder::Gzip(encoder) => encoder.flush(),
            Encoder::Zstd(encoder) => encoder.flush(),
        }
    }
}

impl<W: Write> std::fmt::Debug for Compressor<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match &self.0 {
            Encoder::None(_) => "Compressor(None)",
            Encoder::Gzip(_) => "Compressor(Gzip)",
            Encoder::Zstd(_) => "Compressor(Zstd)",
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::num::NonZero;

    use super::Compressor;
    use crate::layer::Decompressor;
    use crate::oci::Compression;

    /// Compressible in part, and longer than some blocks.
    fn sample(length: usize) -> Vec<u8> {
        let mut state = 1_u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state
        };
        (0..length).map(|index| if index % 3 == 0 { (next() >> 24) as u8 } else { b'a' }).collect()
    }

    fn compressed(data: &[u8], compression: Compression, threads: usize) -> Vec<u8> {
        let threads = NonZero::new(threads).unwrap();
        let mut compressor = Compressor::with_threads(Vec::new(), compression, threads).unwrap();
        // Odd pieces, so that no boundary of theirs is one of a block's.
        data.chunks(77_777).for_each(|piece| compressor.write_all(piece).unwrap());
        compressor.finish().unwrap()
    }

    #[test]
    fn every_form_comes_back_whole_and_is_the_same_on_any_number_of_threads() {
        for length in [0, 1, 1 << 20, (1 << 20) + 1, 5_000_000] {
            let data = sample(length);
            for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
                let bytes = compressed(&data, compression, 1);
                assert!(bytes == compressed(&data, compression, 4), "{compression:?} {length}");
                // Twice in a row: members and frames may follow each other.
                let twice = [&bytes[..], &bytes].concat();
                let mut decompressor = Decompressor::new(&twice[..]).unwrap();
                let mut found = Vec::new();
                decompressor.read_to_end(&mut found).unwrap();
                assert!(found == [&data[..], &data].concat(), "{compression:?} {length}");
                if length > 0 {
                    assert_eq!(decompressor.compression(), compression);
                }
            }
        }
    }

    #[test]
    fn one_member_is_enough_for_readers_that_know_no_more() {
        let data = sample(3_000_000);
        let bytes = compressed(&data, Compression::Gzip, 2);
        let mut found = Vec::new();
        flate2::read::GzDecoder::new(&bytes[..]).read_to_end(&mut found).unwrap();
        assert!(found == data);
    }

    #[test]
    fn damage_and_foreign_formats_are_errors() {
        for compression in [Compression::Gzip, Compression::Zstd] {
            let bytes = compressed(&sample(2_000_000), compression, 2);
            let mut flipped = bytes.clone();
            let middle = flipped.len() / 2;
            flipped[middle] ^= 0x55;
            for damaged in [&bytes[..bytes.len() - 9], &bytes[..20], &flipped] {
                let mut decompressor = Decompressor::new(damaged).unwrap();
                assert!(std::io::copy(&mut decompressor, &mut std::io::sink()).is_err(), "{compression:?}");
            }
        }
        for magic in [&b"\xfd7zXZ\0"[..], b"BZh91AY"] {
            assert!(Decompressor::new(magic).is_err());
        }
    }
}
