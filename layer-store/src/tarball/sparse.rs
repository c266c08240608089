//! Sparse files: where the stored pieces of a file belong (GNU tar manual, "Storing Sparse Files").
//!
//! The old GNU form keeps the map in the header and in blocks after it; pax forms 0.0 and 0.1 keep it in the extended
//! header, and 1.0 in front of the data.

use super::BLOCK;
use super::header::{Header, REAL_SIZE, SPARSE, SPARSE_MORE, parse_number};
use super::pax::{Record, parse_decimal};

/// A piece of a file that is stored; all else reads as zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) offset: u64,
    pub(super) length: u64,
}

/// Where the map of an entry is.
pub(super) enum Form {
    /// No sparse file.
    Dense,
    /// The map and the real size.
    Known(Vec<Segment>, u64),
    /// In front of the data; the real size.
    Leading(u64),
}

/// Bytes of an old map's piece: offset and length of twelve digits each.
const PIECE: usize = 24;

/// The pieces in a part of an old header or of a block after it.
pub(super) fn old_pieces(bytes: &[u8]) -> Option<Vec<Segment>> {
    let piece = |piece: &[u8]| {
        let offset = u64::try_from(parse_number(&piece[..12])?).ok()?;
        let length = u64::try_from(parse_number(&piece[12..])?).ok()?;
        Some(Segment { offset, length })
    };
    bytes.chunks_exact(PIECE).take_while(|bytes| bytes[0] != 0).map(piece).collect()
}

/// An old header's pieces, real size, and whether a further block of the map follows it.
pub(super) fn old_header(header: &Header) -> Option<(Vec<Segment>, u64, bool)> {
    let size = u64::try_from(header.number(REAL_SIZE)?).ok()?;
    Some((old_pieces(&header.0[SPARSE])?, size, header.0[SPARSE_MORE] != 0))
}

/// A further block of an old map, and whether one more follows.
pub(super) fn old_block(block: &[u8; BLOCK]) -> Option<(Vec<Segment>, bool)> {
    Some((old_pieces(&block[..21 * PIECE])?, block[21 * PIECE] != 0))
}

/// What the records of an extended header say.
pub(super) fn from_pax(records: &[Record<'_>]) -> Option<Form> {
    let value = |key: &[u8]| records.iter().rev().find(|(known, _)| *known == key).map(|(_, value)| *value);
    if let Some(major) = value(b"GNU.sparse.major") {
        return match (major, value(b"GNU.sparse.minor")?) {
            (b"1", b"0") => Some(Form::Leading(parse_decimal(value(b"GNU.sparse.realsize")?)?)),
            _ => None,
        };
    }
    let Some(size) = value(b"GNU.sparse.size") else { return Some(Form::Dense) };
    let numbers: Vec<&[u8]> = match value(b"GNU.sparse.map") {
        Some(map) => map.split(|byte| *byte == b',').filter(|number| !number.is_empty()).collect(),
        None => {
            let is_piece = |key: &[u8]| key == b"GNU.sparse.offset" || key == b"GNU.sparse.numbytes";
            records.iter().filter(|(key, _)| is_piece(key)).map(|(_, value)| *value).collect()
        }
    };
    let numbers: Option<Vec<u64>> = numbers.into_iter().map(parse_decimal).collect();
    Some(Form::Known(pairs(&numbers?)?, parse_decimal(size)?))
}

/// Pieces out of alternating offsets and lengths.
pub(super) fn pairs(numbers: &[u64]) -> Option<Vec<Segment>> {
    let (pairs, []) = numbers.as_chunks::<2>() else { return None };
    Some(pairs.iter().map(|[offset, length]| Segment { offset: *offset, length: *length }).collect())
}

/// Whether the pieces are in order, within `size`, and together as long as what is stored.
pub(super) fn is_consistent(segments: &[Segment], size: u64, stored: u64) -> bool {
    let end = segments
        .iter()
        .try_fold(0, |end, segment| (segment.offset >= end).then(|| segment.offset.checked_add(segment.length))?);
    let total = segments.iter().try_fold(0_u64, |total, segment| total.checked_add(segment.length));
    end.is_some_and(|end| end <= size) && total == Some(stored)
}
