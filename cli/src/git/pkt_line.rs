//! Packets of git's protocol: four hexadecimal digits of length, then the bytes (gitprotocol-common(5)).

use std::io::{self, Read};

/// The most that one packet holds.
const LARGEST: usize = 65520;

/// A packet.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Packet {
    /// Bytes.
    Data(Vec<u8>),
    /// The end of a message.
    Flush,
    /// The end of a part of one.
    Delimiter,
}

/// Adds a packet of `text` to `request`.
pub(super) fn line(request: &mut Vec<u8>, text: &str) {
    request.extend_from_slice(format!("{:04x}{text}", text.len() + 4).as_bytes());
}

/// Ends a part of `request`.
pub(super) fn delimiter(request: &mut Vec<u8>) {
    request.extend_from_slice(b"0001");
}

/// Ends `request`.
pub(super) fn flush(request: &mut Vec<u8>) {
    request.extend_from_slice(b"0000");
}

/// Reads the next packet.
///
/// # Errors
/// The stream breaks off, or holds no packets.
pub(super) fn read(stream: &mut dyn Read) -> io::Result<Packet> {
    let malformed = || io::Error::new(io::ErrorKind::InvalidData, "no packet of git's protocol");
    let mut digits = [0; 4];
    stream.read_exact(&mut digits)?;
    let text = std::str::from_utf8(&digits).map_err(|_| malformed())?;
    match usize::from_str_radix(text, 16).map_err(|_| malformed())? {
        0 => Ok(Packet::Flush),
        // 0002 ends an answer on a connection without state.
        1 | 2 => Ok(Packet::Delimiter),
        length @ 4..=LARGEST => {
            let mut bytes = vec![0; length - 4];
            stream.read_exact(&mut bytes)?;
            Ok(Packet::Data(bytes))
        }
        _ => Err(malformed()),
    }
}

#[cfg(test)]
mod tests {
    use super::{Packet, delimiter, flush, line, read};

    #[test]
    fn what_is_written_is_read() {
        let mut bytes = Vec::new();
        line(&mut bytes, "command=ls-refs\n");
        delimiter(&mut bytes);
        flush(&mut bytes);
        assert_eq!(bytes, b"0014command=ls-refs\n00010000");
        let mut stream = &bytes[..];
        assert_eq!(read(&mut stream).unwrap(), Packet::Data(b"command=ls-refs\n".to_vec()));
        assert_eq!(read(&mut stream).unwrap(), Packet::Delimiter);
        assert_eq!(read(&mut stream).unwrap(), Packet::Flush);
        for wrong in [&b"00"[..], b"zzzz", b"0003", b"ffff", b"0009ab"] {
            assert!(read(&mut &wrong[..]).is_err(), "{wrong:?}");
        }
    }
}
