//! The bands that a pack comes in beside words for people (`side-band` and `side-band-64k`, gitprotocol-capabilities(5)).

use std::io::{self, Read};

use super::pkt_line::{self, Packet};

/// The first band of a stream of three: data, words for people, and the reason of a failure.
pub(super) struct Sideband<R> {
    stream: R,
    chunk: Vec<u8>,
    at: usize,
}

impl<R: Read> Sideband<R> {
    /// Reads the packets of `stream`.
    pub(super) fn new(stream: R) -> Self {
        Self { stream, chunk: Vec::new(), at: 0 }
    }
}

impl<R: Read> Read for Sideband<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at == self.chunk.len() {
            match pkt_line::read(&mut self.stream)? {
                Packet::Data(bytes) if bytes.first() == Some(&1) => (self.chunk, self.at) = (bytes, 1),
                Packet::Data(bytes) if bytes.first() == Some(&2) => {}
                Packet::Data(bytes) => {
                    let reason = String::from_utf8_lossy(bytes.get(1..).unwrap_or_default()).trim().to_owned();
                    return Err(io::Error::other(reason));
                }
                Packet::Delimiter => {}
                Packet::Flush => return Ok(0),
            }
        }
        let count = buffer.len().min(self.chunk.len() - self.at);
        buffer[..count].copy_from_slice(&self.chunk[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::Sideband;

    #[test]
    fn the_first_band_is_the_data() {
        let mut text = String::new();
        let bands = b"0007\x01PA0007\x02hm0007\x01CK0000";
        Sideband::new(&bands[..]).read_to_string(&mut text).unwrap();
        assert_eq!(text, "PACK");
        let failure = b"0009\x03oh no";
        assert!(Sideband::new(&failure[..]).read_to_string(&mut text).is_err());
    }
}
