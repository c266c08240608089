//! Writes the canonical form: the same entries give the same bytes.

use std::io::{self, Read, Write};

use super::header::{GID, Header, LINK, MAJOR, MINOR, MODE, MTIME, NAME, SIZE, UID};
use super::{BLOCK, EntryKind, TarEntry, pax};
use crate::root::Device;

/// Name of the extended headers themselves, seen by programs only that do not know them.
const PAX_NAME: &[u8] = b"././@PaxHeader";

/// Writes a tar stream.
#[derive(Debug)]
pub struct TarWriter<W> {
    inner: W,
    buffer: Vec<u8>,
}

impl<W: Write> TarWriter<W> {
    /// Writes to `inner`; it should be buffered.
    pub fn new(inner: W) -> Self {
        Self { inner, buffer: Vec::new() }
    }

    /// Writes an entry, for a regular file with `entry.size` bytes from `data`; other kinds have none.
    ///
    /// # Errors
    /// `InvalidData` when `data` ends too early: the file was cut while it was read.
    pub fn append(&mut self, entry: &TarEntry, data: &mut dyn Read) -> io::Result<()> {
        let size = if entry.kind == EntryKind::Regular { entry.size } else { 0 };
        self.write_header(entry, size)?;
        self.write_data(data, size)
    }

    /// Writes the end of the archive and gives the stream back.
    pub fn finish(mut self) -> io::Result<W> {
        self.inner.write_all(&[0; 2 * BLOCK])?;
        Ok(self.inner)
    }

    fn write_header(&mut self, entry: &TarEntry, size: u64) -> io::Result<()> {
        let (kind, link, device) = parts(&entry.kind);
        let mut path = entry.path.clone();
        if entry.kind == EntryKind::Directory {
            path.push(b'/');
        }
        let mut header = Header::new(kind);
        let mut records = Vec::new();
        set_text(&mut header, &mut records, (NAME, b"path", &path));
        set_text(&mut header, &mut records, (LINK, b"linkpath", link));
        header.set_number(MODE, entry.mode.into());
        let size = i64::try_from(size).map_err(|_| io::ErrorKind::FileTooLarge)?;
        set_number(&mut header, &mut records, (UID, b"uid", entry.uid.into()));
        set_number(&mut header, &mut records, (GID, b"gid", entry.gid.into()));
        set_number(&mut header, &mut records, (SIZE, b"size", size));
        set_number(&mut header, &mut records, (MTIME, b"mtime", entry.mtime.seconds));
        let fits = header.set_number(MAJOR, device.major.into()) && header.set_number(MINOR, device.minor.into());
        if !fits {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "its device numbers do not fit a tar header"));
        }
        for (name, value) in &entry.xattrs {
            pax::push(&mut records, &[pax::XATTR, name].concat(), value);
        }
        self.write_records(&records)?;
        self.inner.write_all(&header.finish())
    }

    fn write_records(&mut self, records: &[u8]) -> io::Result<()> {
        if records.is_empty() {
            return Ok(());
        }
        let mut header = Header::new(b'x');
        header.set_text(NAME, PAX_NAME);
        for field in [MODE, UID, GID, MTIME, MAJOR, MINOR] {
            header.set_number(field, 0);
        }
        header.set_number(SIZE, records.len() as i64);
        self.inner.write_all(&header.finish())?;
        self.inner.write_all(records)?;
        self.pad(records.len() as u64)
    }

    fn write_data(&mut self, data: &mut dyn Read, size: u64) -> io::Result<()> {
        self.buffer.resize(128 * 1024, 0);
        let mut left = size;
        while left > 0 {
            let limit = self.buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            match data.read(&mut self.buffer[..limit]) {
                Ok(0) => {
                    return Err(io::Error::new(
                        io::ErrorKind::InvalidData,
                        "the file became shorter while it was read",
                    ));
                }
                Ok(count) => {
                    self.inner.write_all(&self.buffer[..count])?;
                    left -= count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.pad(size)
    }

    fn pad(&mut self, size: u64) -> io::Result<()> {
        let padding = (size.next_multiple_of(BLOCK as u64) - size) as usize;
        self.inner.write_all(&[0; BLOCK][..padding])
    }
}

/// A field's place, its key in an extended header, and its value.
type Text<'a> = (super::header::Field, &'static [u8], &'a [u8]);
type Number = (super::header::Field, &'static [u8], i64);

fn set_text(header: &mut Header, records: &mut Vec<u8>, (field, key, text): Text<'_>) {
    if text.len() > field.len() {
        pax::push(records, key, text);
    }
    header.set_text(field, text);
}

fn set_number(header: &mut Header, records: &mut Vec<u8>, (field, key, value): Number) {
    if !header.set_number(field, value) {
        pax::push(records, key, value.to_string().as_bytes());
    }
}

fn parts(kind: &EntryKind) -> (u8, &[u8], Device) {
    let none = Device { major: 0, minor: 0 };
    match kind {
        EntryKind::Regular => (b'0', b"", none),
        EntryKind::HardLink(target) => (b'1', target, none),
        EntryKind::Symlink(target) => (b'2', target, none),
        EntryKind::CharDevice(device) => (b'3', b"", *device),
        EntryKind::BlockDevice(device) => (b'4', b"", *device),
        EntryKind::Directory => (b'5', b"", none),
        EntryKind::Fifo => (b'6', b"", none),
    }
}
