//! The 512-byte header block: fields at fixed places, numbers in octal or (GNU) base 256.

use super::BLOCK;

/// A field's place in the block.
pub(super) type Field = std::ops::Range<usize>;

pub(super) const NAME: Field = 0..100;
pub(super) const MODE: Field = 100..108;
pub(super) const UID: Field = 108..116;
pub(super) const GID: Field = 116..124;
pub(super) const SIZE: Field = 124..136;
pub(super) const MTIME: Field = 136..148;
const CHECKSUM: Field = 148..156;
const TYPE: usize = 156;
pub(super) const LINK: Field = 157..257;
const MAGIC: Field = 257..265;
pub(super) const MAJOR: Field = 329..337;
pub(super) const MINOR: Field = 337..345;
const PREFIX: Field = 345..500;
/// GNU: the first four pieces of an old sparse file, whether more follow, and its real size.
pub(super) const SPARSE: Field = 386..482;
pub(super) const SPARSE_MORE: usize = 482;
pub(super) const REAL_SIZE: Field = 483..495;

const USTAR: &[u8; 8] = b"ustar\x0000";
const GNU: &[u8; 8] = b"ustar  \0";

/// One header block.
#[derive(Clone)]
pub(super) struct Header(pub(super) [u8; BLOCK]);

impl Header {
    /// An empty `ustar` header of the given type.
    pub(super) fn new(kind: u8) -> Self {
        let mut block = [0; BLOCK];
        block[MAGIC].copy_from_slice(USTAR);
        block[TYPE] = kind;
        Self(block)
    }

    pub(super) fn kind(&self) -> u8 {
        self.0[TYPE]
    }

    pub(super) fn is_gnu(&self) -> bool {
        self.0[MAGIC] == *GNU
    }

    /// Whether the checksum is right: a sum of unsigned bytes, or of signed ones as some old programs made it.
    pub(super) fn is_intact(&self) -> bool {
        let stored = parse_number(&self.0[CHECKSUM]);
        let blanked = |index: usize| if CHECKSUM.contains(&index) { b' ' } else { self.0[index] };
        let unsigned: i64 = (0..BLOCK).map(|index| i64::from(blanked(index))).sum();
        let signed: i64 = (0..BLOCK).map(|index| i64::from(blanked(index).cast_signed())).sum();
        stored == Some(unsigned) || stored == Some(signed)
    }

    /// The bytes of a text field before the first zero.
    pub(super) fn text(&self, field: Field) -> &[u8] {
        until_zero(&self.0[field])
    }

    /// The whole name: `ustar` splits a long one.
    pub(super) fn path(&self) -> Vec<u8> {
        let prefix = self.text(PREFIX);
        let mut path = Vec::new();
        // GNU and v7 headers keep other things where ustar has the prefix.
        if self.0[MAGIC][..6] == USTAR[..6] && !prefix.is_empty() {
            path.extend_from_slice(prefix);
            path.push(b'/');
        }
        path.extend_from_slice(self.text(NAME));
        path
    }

    pub(super) fn number(&self, field: Field) -> Option<i64> {
        parse_number(&self.0[field])
    }

    /// Writes a text that may be longer than the field, and then is cut.
    pub(super) fn set_text(&mut self, field: Field, text: &[u8]) {
        let length = text.len().min(field.len());
        self.0[field][..length].copy_from_slice(&text[..length]);
    }

    /// Writes a number in octal; false where it does not fit.
    pub(super) fn set_number(&mut self, field: Field, value: i64) -> bool {
        let width = field.len() - 1;
        let fits = value >= 0 && value < 1 << (3 * width);
        let text = format!("{:0width$o}\0", if fits { value } else { 0 });
        self.0[field].copy_from_slice(text.as_bytes());
        fits
    }

    /// The block with its checksum.
    pub(super) fn finish(mut self) -> [u8; BLOCK] {
        self.0[CHECKSUM].fill(b' ');
        let sum: u32 = self.0.iter().map(|byte| u32::from(*byte)).sum();
        self.0[CHECKSUM].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        self.0
    }
}

pub(super) fn until_zero(bytes: &[u8]) -> &[u8] {
    bytes.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// A number field; an empty one is zero.
pub(super) fn parse_number(field: &[u8]) -> Option<i64> {
    match field.first()? {
        0x80..=0xff => parse_base_256(field),
        _ => parse_octal(field),
    }
}

fn parse_octal(field: &[u8]) -> Option<i64> {
    let text = str::from_utf8(until_zero(field)).ok()?.trim_matches(' ');
    if text.is_empty() { Some(0) } else { i64::from_str_radix(text, 8).ok().filter(|value| *value >= 0) }
}

/// GNU's form for large numbers: the highest bit marks it, the rest is a signed integer.
fn parse_base_256(field: &[u8]) -> Option<i64> {
    let first = (field[0] << 1).cast_signed() >> 1;
    let start = i128::from(first);
    let value = field[1..].iter().try_fold(start, |value, byte| value.checked_mul(256)?.checked_add(i128::from(*byte)));
    i64::try_from(value?).ok()
}

#[cfg(test)]
mod tests {
    use super::parse_number;

    #[test]
    fn numbers_are_octal_or_base_256() {
        for (field, expected) in [
            (&b"0000755\0"[..], Some(0o755)),
            (b"    755 ", Some(0o755)),
            (b"\0\0\0\0", Some(0)),
            (b"77777777777\0", Some(0o77_777_777_777)),
            (b"9\0", None),
            (b"-1\0", None),
            (b"\x80\0\0\0\0\0\0\x01", Some(1)),
            (b"\xff\xff\xff\xff\xff\xff\xff\xfe", Some(-2)),
            (b"\x80\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff", None),
        ] {
            assert_eq!(parse_number(field), expected, "{field:?}");
        }
    }
}
