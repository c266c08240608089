//! Reads a tar stream entry by entry, with memory for one extension header only.

use std::io::{self, Read};

use super::header::{GID, Header, LINK, MAJOR, MINOR, MODE, MTIME, SIZE, UID, until_zero};
use super::pax::{self, Record};
use super::sparse::{self, Form, Segment};
use super::{BLOCK, EntryKind, MAX_EXTENSION, TarEntry};
use crate::root::{Device, Timestamp};
use crate::{Error, Result};

/// Iterates over the entries of a tar stream. After [`next_entry`](Self::next_entry), reading from it gives the data of that
/// entry, holes as zeros; what is not read is skipped.
#[derive(Debug)]
pub struct TarReader<R> {
    inner: R,
    data: Data,
}

/// What is left of the data of the current entry.
#[derive(Debug, Default)]
struct Data {
    /// Stored pieces to come, in order; the first may be partly read.
    segments: std::collections::VecDeque<Segment>,
    /// Position in the file, and its size.
    position: u64,
    size: u64,
    /// Bytes in the stream before the next header, with padding.
    stored: u64,
    /// Padding within `stored`.
    padding: u64,
}

/// The extension headers before an entry.
#[derive(Default)]
struct Extensions {
    long_name: Option<Vec<u8>>,
    long_link: Option<Vec<u8>>,
    pax: Option<Vec<u8>>,
}

impl<R: Read> TarReader<R> {
    /// Reads a tar stream that is not compressed.
    pub fn new(inner: R) -> Self {
        Self { inner, data: Data::default() }
    }

    /// The stream; what follows the end of the archive was not read.
    pub fn into_inner(self) -> R {
        self.inner
    }

    /// Goes on to the next entry; `None` at the end of the archive.
    ///
    /// # Errors
    /// [`Error::Stream`] when reading fails or the stream ends within an entry, [`Error::InvalidEntry`] when it is no tar.
    pub fn next_entry(&mut self) -> Result<Option<TarEntry>> {
        let mut extensions = Extensions::default();
        loop {
            self.skip_data()?;
            let Some(header) = self.read_header()? else { return Ok(None) };
            let slot = match header.kind() {
                b'L' => &mut extensions.long_name,
                b'K' => &mut extensions.long_link,
                b'x' => &mut extensions.pax,
                b'g' => {
                    let global = self.read_extension(&header)?;
                    check_global(&global)?;
                    continue;
                }
                _ => return self.entry(&header, &extensions).map(Some),
            };
            if slot.is_some() {
                return Err(invalid(&header.path(), "it has two extension headers of one kind"));
            }
            *slot = Some(self.read_extension(&header)?);
        }
    }

    /// Skips a hole that the data is at, and returns its length; 0 where there is data.
    pub(crate) fn skip_hole(&mut self) -> u64 {
        let hole = self.data.hole();
        self.data.position += hole;
        hole
    }

    fn read_header(&mut self) -> Result<Option<Header>> {
        let mut block = [0; BLOCK];
        if !self.fill(&mut block)? || block.iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        let header = Header(block);
        if !header.is_intact() {
            return Err(invalid(
                &header.path(),
                "its header has a wrong checksum; this is no tar stream, or a damaged one",
            ));
        }
        Ok(Some(header))
    }

    /// Reads a whole block; false at a clean end of the stream.
    fn fill(&mut self, block: &mut [u8; BLOCK]) -> Result<bool> {
        let mut filled = 0;
        while filled < BLOCK {
            match self.inner.read(&mut block[filled..]) {
                Ok(0) if filled == 0 => return Ok(false),
                Ok(0) => return Err(stream(io::ErrorKind::UnexpectedEof.into())),
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(stream(error)),
            }
        }
        Ok(true)
    }

    fn read_extension(&mut self, header: &Header) -> Result<Vec<u8>> {
        let size = self.begin(header, None)?;
        if size > MAX_EXTENSION {
            return Err(invalid(&header.path(), "its extension header is larger than 1 MiB"));
        }
        let mut bytes = Vec::new();
        self.read_to_end(&mut bytes).map_err(stream)?;
        Ok(bytes)
    }

    /// Makes the data after `header` the current one; returns its size.
    fn begin(&mut self, header: &Header, size: Option<u64>) -> Result<u64> {
        let own = header.number(SIZE).and_then(|size| u64::try_from(size).ok());
        let size = match size.or(own) {
            // Room for the padding in all sums below.
            Some(size) if size < 1 << 62 => size,
            _ => return Err(invalid(&header.path(), "its size is no number")),
        };
        let padding = size.next_multiple_of(BLOCK as u64) - size;
        let segments = [Segment { offset: 0, length: size }].into();
        self.data = Data { segments, position: 0, size, stored: size + padding, padding };
        Ok(size)
    }

    fn entry(&mut self, header: &Header, extensions: &Extensions) -> Result<TarEntry> {
        let own_path = header.path();
        let records = pax::parse(extensions.pax.as_deref().unwrap_or_default())
            .ok_or_else(|| invalid(&own_path, "its extended header is malformed"))?;
        let mut entry = basic_entry(header, extensions, &records)?;
        if matches!(entry.kind, EntryKind::Regular) {
            let size = find(&records, b"size").map(|size| number(&entry, size)).transpose()?;
            entry.size = self.begin(header, size)?;
            self.read_sparse_map(&mut entry, header, &records)?;
        } else {
            self.data = Data::default();
        }
        Ok(entry)
    }

    fn read_sparse_map(&mut self, entry: &mut TarEntry, header: &Header, records: &[Record<'_>]) -> Result<()> {
        let wrong = |entry: &TarEntry| invalid(&entry.path, "its map of a sparse file is wrong");
        let (segments, size) = if header.kind() == b'S' {
            self.old_map(header).map_err(|error| error.unwrap_or_else(|| wrong(entry)))?
        } else {
            match sparse::from_pax(records).ok_or_else(|| wrong(entry))? {
                Form::Dense => return Ok(()),
                Form::Known(segments, size) => (segments, size),
                Form::Leading(size) => (self.leading_map()?.ok_or_else(|| wrong(entry))?, size),
            }
        };
        let stored = self.data.stored - self.data.padding;
        if size >= 1 << 62 || !sparse::is_consistent(&segments, size, stored) {
            return Err(wrong(entry));
        }
        entry.size = size;
        self.data.position = 0;
        self.data.size = size;
        self.data.segments = segments.into();
        Ok(())
    }

    /// The map in an old header and the blocks after it. `Err(None)`: it is malformed.
    fn old_map(&mut self, header: &Header) -> Result<(Vec<Segment>, u64), Option<Error>> {
        let (mut segments, size, mut more) = sparse::old_header(header).ok_or(None)?;
        while more {
            let mut block = [0; BLOCK];
            if !self.fill(&mut block)? || segments.len() as u64 * 24 > MAX_EXTENSION {
                return Err(None);
            }
            let (pieces, another) = sparse::old_block(&block).ok_or(None)?;
            segments.extend(pieces);
            more = another;
        }
        Ok((segments, size))
    }

    /// The map in front of the data: decimal lines, the first of which counts the pieces, padded to whole blocks.
    fn leading_map(&mut self) -> Result<Option<Vec<Segment>>> {
        let mut numbers: Vec<u64> = Vec::new();
        let mut wanted = None;
        let mut digits = Vec::new();
        while wanted.is_none_or(|wanted| numbers.len() < wanted) {
            let mut block = [0; BLOCK];
            if self.data.stored < BLOCK as u64 || numbers.len() as u64 * 12 > MAX_EXTENSION || !self.fill(&mut block)? {
                return Ok(None);
            }
            self.data.stored -= BLOCK as u64;
            for byte in block {
                if byte != b'\n' {
                    digits.push(byte);
                } else if wanted.is_none_or(|wanted| numbers.len() < wanted) {
                    let Some(value) = pax::parse_decimal::<u64>(&digits) else { return Ok(None) };
                    digits.clear();
                    match wanted {
                        None => wanted = usize::try_from(value).ok().and_then(|count| count.checked_mul(2)),
                        Some(_) => numbers.push(value),
                    }
                }
            }
        }
        Ok(sparse::pairs(&numbers))
    }

    fn skip_data(&mut self) -> Result<()> {
        let rest = std::mem::take(&mut self.data).stored;
        let skipped = io::copy(&mut (&mut self.inner).take(rest), &mut io::sink()).map_err(stream)?;
        if skipped < rest { Err(stream(io::ErrorKind::UnexpectedEof.into())) } else { Ok(()) }
    }
}

impl Data {
    /// Length of the hole at the position.
    fn hole(&self) -> u64 {
        let next = self.segments.iter().find(|segment| segment.length > 0).map_or(self.size, |segment| segment.offset);
        next.saturating_sub(self.position)
    }
}

impl<R: Read> Read for TarReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let hole = self.data.hole();
        if hole > 0 {
            let count = buffer.len().min(usize::try_from(hole).unwrap_or(usize::MAX));
            buffer[..count].fill(0);
            self.data.position += count as u64;
            return Ok(count);
        }
        while self.data.segments.front().is_some_and(|segment| segment.length == 0) {
            self.data.segments.pop_front();
        }
        let Some(segment) = self.data.segments.front_mut() else { return Ok(0) };
        let limit = buffer.len().min(usize::try_from(segment.length).unwrap_or(usize::MAX));
        let count = self.inner.read(&mut buffer[..limit])?;
        if count == 0 && limit > 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        segment.offset += count as u64;
        segment.length -= count as u64;
        self.data.position += count as u64;
        self.data.stored -= count as u64;
        Ok(count)
    }
}

fn basic_entry(header: &Header, extensions: &Extensions, records: &[Record<'_>]) -> Result<TarEntry> {
    // A GNU long name wins over a pax path, as in Docker's reader: to differ would let two tools see two archives.
    let path = match &extensions.long_name {
        Some(name) => until_zero(name).to_vec(),
        None => {
            find(records, b"GNU.sparse.name").or(find(records, b"path")).map_or_else(|| header.path(), <[u8]>::to_vec)
        }
    };
    let link = match &extensions.long_link {
        Some(link) => until_zero(link).to_vec(),
        None => find(records, b"linkpath").unwrap_or_else(|| header.text(LINK)).to_vec(),
    };
    let kind = entry_kind(header, &path, link)?;
    let mode = header.number(MODE).ok_or_else(|| invalid(&path, "its mode is no number"))?;
    let mut entry = TarEntry::new(path, kind, (mode & 0o7777) as u32);
    entry.uid = owner(&entry, header.number(UID), find(records, b"uid"))?;
    entry.gid = owner(&entry, header.number(GID), find(records, b"gid"))?;
    entry.mtime = match find(records, b"mtime") {
        Some(time) => pax::parse_time(time),
        None => header.number(MTIME).map(|seconds| Timestamp { seconds, nanoseconds: 0 }),
    }
    .ok_or_else(|| invalid(&entry.path, "its time is no number"))?;
    for (key, value) in records {
        if let Some(name) = key.strip_prefix(pax::XATTR) {
            entry.xattrs.push((name.to_vec(), value.to_vec()));
        }
    }
    let end = entry.path.iter().rposition(|byte| *byte != b'/').map_or(0, |last| last + 1);
    entry.path.truncate(end);
    if entry.path.contains(&0) {
        return Err(invalid(&entry.path, "its name has a zero byte"));
    }
    Ok(entry)
}

fn entry_kind(header: &Header, path: &[u8], link: Vec<u8>) -> Result<EntryKind> {
    let device = || -> Result<Device> {
        let part = |field| header.number(field).and_then(|number| u32::try_from(number).ok());
        let numbers = part(MAJOR).zip(part(MINOR)).ok_or_else(|| invalid(path, "its device numbers are no numbers"))?;
        Ok(Device { major: numbers.0, minor: numbers.1 })
    };
    let kind = match header.kind() {
        // Before there was a type for directories, a slash told them apart.
        0 if path.ends_with(b"/") => EntryKind::Directory,
        0 | b'0' | b'7' => EntryKind::Regular,
        b'S' if header.is_gnu() => EntryKind::Regular,
        b'1' => EntryKind::HardLink(link),
        b'2' => EntryKind::Symlink(link),
        b'3' => EntryKind::CharDevice(device()?),
        b'4' => EntryKind::BlockDevice(device()?),
        b'5' => EntryKind::Directory,
        b'6' => EntryKind::Fifo,
        other => return Err(invalid(path, &format!("its type `{}` is not known", char::from(other).escape_default()))),
    };
    Ok(kind)
}

fn owner(entry: &TarEntry, own: Option<i64>, record: Option<&[u8]>) -> Result<u32> {
    let wrong = || invalid(&entry.path, "its owner is no number of 32 bits");
    let id = match record {
        Some(record) => number(entry, record)?,
        None => own.and_then(|id| u64::try_from(id).ok()).ok_or_else(wrong)?,
    };
    u32::try_from(id).map_err(|_| wrong())
}

fn number(entry: &TarEntry, record: &[u8]) -> Result<u64> {
    pax::parse_decimal(record).ok_or_else(|| invalid(&entry.path, "its extended header holds a number that is none"))
}

fn find<'a>(records: &[Record<'a>], key: &[u8]) -> Option<&'a [u8]> {
    // The last of several counts; an empty value takes back what a global header said, which is nothing here.
    let (_, value) = records.iter().rev().find(|(known, _)| *known == key)?;
    (!value.is_empty()).then_some(*value)
}

/// Global headers are comments in practice, and Docker passes over them; one that would rename or resize all entries must
/// not be passed over in silence.
fn check_global(bytes: &[u8]) -> Result<()> {
    let wrong = || invalid(b"pax_global_header", "a global header with file names or sizes is not supported");
    let records = pax::parse(bytes).ok_or_else(wrong)?;
    let matters = |key: &[u8]| matches!(key, b"path" | b"linkpath" | b"size") || key.starts_with(b"GNU.sparse.");
    if records.iter().any(|(key, _)| matters(key)) { Err(wrong()) } else { Ok(()) }
}

fn invalid(path: &[u8], reason: &str) -> Error {
    use std::os::unix::ffi::OsStrExt;
    let path = std::path::Path::new(std::ffi::OsStr::from_bytes(path)).to_owned();
    Error::InvalidEntry { path, reason: reason.to_owned() }
}

fn stream(source: io::Error) -> Error {
    Error::stream("read the tar stream")(source)
}
