//! The data types of the SSH protocols (RFC 4251, section 5): numbers, strings, and integers of any length.

/// Reads fields one after the other; `None` once something is missing.
#[derive(Debug, Clone)]
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    /// Passes over `prefix`, which must be there.
    pub(crate) fn expect(&mut self, prefix: &[u8]) -> Option<()> {
        (self.take(prefix.len())? == prefix).then_some(())
    }

    pub(crate) fn number(&mut self) -> Option<u32> {
        Some(u32::from_be_bytes(self.take(4)?.try_into().ok()?))
    }

    pub(crate) fn byte(&mut self) -> Option<u8> {
        Some(self.take(1)?[0])
    }

    pub(crate) fn string(&mut self) -> Option<&'a [u8]> {
        let length = self.number()?;
        self.take(length as usize)
    }

    pub(crate) fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.string()?).ok()
    }

    /// An integer that is not negative, without zeros in front.
    pub(crate) fn integer(&mut self) -> Option<&'a [u8]> {
        let bytes = self.string()?;
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        Some(&bytes[zeros..])
    }
}

/// Writes fields one after the other.
#[derive(Debug, Default)]
pub(crate) struct Writer(Vec<u8>);

impl Writer {
    pub(crate) fn byte(mut self, byte: u8) -> Self {
        self.0.push(byte);
        self
    }

    pub(crate) fn number(mut self, number: u32) -> Self {
        self.0.extend_from_slice(&number.to_be_bytes());
        self
    }

    pub(crate) fn string(self, bytes: &[u8]) -> Self {
        let mut written = self.number(bytes.len() as u32);
        written.0.extend_from_slice(bytes);
        written
    }

    /// An integer that is not negative: a zero goes before a first bit that is set.
    pub(crate) fn integer(self, bytes: &[u8]) -> Self {
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        let bytes = &bytes[zeros..];
        match bytes.first() {
            Some(first) if first & 0x80 != 0 => self.string(&[&[0], bytes].concat()),
            _ => self.string(bytes),
        }
    }

    /// Bytes as they are.
    pub(crate) fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::{Reader, Writer};

    #[test]
    fn what_is_written_is_read() {
        let bytes = Writer::default().number(7).string(b"ab").integer(&[0, 0x80]).integer(&[0, 1]).finish();
        assert_eq!(bytes, [0, 0, 0, 7, 0, 0, 0, 2, b'a', b'b', 0, 0, 0, 2, 0, 0x80, 0, 0, 0, 1, 1]);
        let mut reader = Reader::new(&bytes);
        assert_eq!((reader.number(), reader.text()), (Some(7), Some("ab")));
        assert_eq!((reader.integer(), reader.integer()), (Some(&[0x80][..]), Some(&[1][..])));
        assert_eq!(reader.number(), None);
        assert_eq!(Reader::new(&[0, 0, 0, 9, 1]).string(), None);
    }
}
