//! Tree -> tar: the layer of an overlay's upper directory, or of a whole root, in canonical form.
//!
//! The order: a directory before what is in it; in each directory first the opaque marker, then whiteouts, then the
//! rest, each sorted by the bytes of the name. The root itself has no entry. Times are whole seconds, as Docker and
//! BuildKit write them. Sockets are left out, as tar cannot hold them; attributes of the store, of overlays and of
//! SELinux are left out, as they are not the file's own.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Write};
use std::ops::RangeInclusive;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::whiteout::{self, Marker};
use crate::root::{Dir, FileId, FileKind, Metadata, Root, Timestamp, is_portable_xattr, xattr};
use crate::tarball::{EntryKind, TarEntry, TarWriter};
use crate::{Error, Result};

/// Writes the tree under `root` to `out` as the tar of a layer. `out` should be buffered.
///
/// # Errors
/// [`Error::Io`] with the path of the file, [`Error::NotPackable`] where a name would be taken for a whiteout.
pub(crate) fn pack<W: Write>(root: &Root, out: W) -> Result<W> {
    pack_until(root, out, None)
}

/// The same with no file later than `latest`, in seconds since 1970: later times become that one.
///
/// # Errors
/// As of [`pack`].
pub(crate) fn pack_until<W: Write>(root: &Root, out: W, latest: Option<i64>) -> Result<W> {
    let times = i64::MIN..=latest.unwrap_or(i64::MAX);
    let mut packer = Packer { writer: TarWriter::new(out), links: HashMap::new(), path: Vec::new(), times };
    packer.pack_directory(root.dir())?;
    packer.writer.finish().map_err(write_error)
}

/// Writes whole root file systems to `out` as one tar, in canonical order, each below a directory of its own, whose name has no slash; or one
/// without a directory, by an empty name. With a `date`, in seconds since 1970, all files have that one. `out` should be buffered.
///
/// # Errors
/// A file cannot be read, or `out` refuses.
pub fn write_trees<W: Write>(trees: &[(String, &Root)], date: Option<i64>, out: W) -> Result<W> {
    let times = date.map_or(i64::MIN..=i64::MAX, |date| date..=date);
    let mut packer = Packer { writer: TarWriter::new(out), links: HashMap::new(), path: Vec::new(), times };
    for (name, root) in trees {
        packer.links.clear();
        packer.path.clear();
        if !name.is_empty() {
            let mut entry = TarEntry::new(name.as_bytes(), EntryKind::Directory, 0o755);
            entry.mtime.seconds = date.unwrap_or(0);
            packer.writer.append(&entry, &mut io::empty()).map_err(write_error)?;
            packer.path = [name.as_bytes(), b"/"].concat();
        }
        packer.pack_directory(root.dir())?;
    }
    packer.writer.finish().map_err(write_error)
}

struct Packer<W> {
    writer: TarWriter<W>,
    /// The first path of each file that has several.
    links: HashMap<FileId, Vec<u8>>,
    /// The path of the directory at hand, with a slash at its end unless it is the root.
    path: Vec<u8>,
    /// The earliest and the latest time that a file may have, in seconds since 1970.
    times: RangeInclusive<i64>,
}

impl<W: Write> Packer<W> {
    fn pack_directory(&mut self, dir: &Dir) -> Result<()> {
        if whiteout::is_opaque(dir).map_err(self.error("read", OsStr::new("")))? {
            self.pack_marker(&Marker::Opaque)?;
        }
        let mut entries: Vec<(OsString, Metadata)> = Vec::new();
        for name in dir.names().map_err(self.error("list", OsStr::new("")))? {
            let metadata = dir.stat(&name).map_err(self.error("read the metadata of", &name))?;
            if metadata.kind.is_whiteout() {
                self.pack_marker(&Marker::Whiteout(&name))?;
            } else {
                entries.push((name, metadata));
            }
        }
        for (name, metadata) in &entries {
            if whiteout::marker(name) != Marker::None {
                let reason = "names that begin with `.wh.` mark deletions in a layer";
                return Err(Error::NotPackable { path: self.path_of(name), reason });
            }
            match metadata.kind {
                FileKind::Socket => {}
                FileKind::Regular => self.pack_file(dir, name, metadata)?,
                FileKind::Directory => self.pack_subdirectory(dir, name, metadata)?,
                _ => self.pack_special(dir, name, metadata)?,
            }
        }
        Ok(())
    }

    fn pack_marker(&mut self, marker: &Marker<'_>) -> Result<()> {
        let path = self.bytes_of(&whiteout::marker_name(marker));
        self.writer.append(&TarEntry::new(path, EntryKind::Regular, 0), &mut io::empty()).map_err(write_error)
    }

    fn pack_subdirectory(&mut self, dir: &Dir, name: &OsStr, metadata: &Metadata) -> Result<()> {
        let child = dir.open_dir(name).map_err(self.error("open", name))?;
        let xattrs = child.xattrs(OsStr::new(".")).map_err(self.error("read", name))?;
        let mut entry = self.entry(self.bytes_of(name), EntryKind::Directory, metadata);
        entry.xattrs = portable(xattrs);
        self.writer.append(&entry, &mut io::empty()).map_err(write_error)?;
        let length = self.path.len();
        self.path.extend_from_slice(name.as_bytes());
        self.path.push(b'/');
        self.pack_directory(&child)?;
        self.path.truncate(length);
        Ok(())
    }

    fn pack_file(&mut self, dir: &Dir, name: &OsStr, metadata: &Metadata) -> Result<()> {
        let path = self.bytes_of(name);
        if self.pack_hard_link(&path, metadata)? {
            return Ok(());
        }
        let mut file: File = dir.open_file(name).map_err(self.error("open", name))?;
        let mut entry = self.entry(path, EntryKind::Regular, metadata);
        entry.size = metadata.size;
        entry.xattrs = portable(xattr::all_of(&file).map_err(self.error("read", name))?);
        let failed = self.error("pack", name);
        self.writer.append(&entry, &mut file).map_err(failed)
    }

    fn pack_special(&mut self, dir: &Dir, name: &OsStr, metadata: &Metadata) -> Result<()> {
        let path = self.bytes_of(name);
        if self.pack_hard_link(&path, metadata)? {
            return Ok(());
        }
        let kind = match metadata.kind {
            FileKind::Symlink => EntryKind::Symlink(dir.read_link(name).map_err(self.error("read", name))?),
            FileKind::CharDevice(device) => EntryKind::CharDevice(device),
            FileKind::BlockDevice(device) => EntryKind::BlockDevice(device),
            _ => EntryKind::Fifo,
        };
        let mut entry = self.entry(path, kind, metadata);
        entry.xattrs = portable(dir.xattrs(name).map_err(self.error("read", name))?);
        self.writer.append(&entry, &mut io::empty()).map_err(write_error)
    }

    /// Writes a link if the file was packed under another name already.
    fn pack_hard_link(&mut self, path: &[u8], metadata: &Metadata) -> Result<bool> {
        if metadata.links < 2 {
            return Ok(false);
        }
        let Some(first) = self.links.get(&metadata.id) else {
            self.links.insert(metadata.id, path.to_vec());
            return Ok(false);
        };
        let entry = self.entry(path.to_vec(), EntryKind::HardLink(first.clone()), metadata);
        self.writer.append(&entry, &mut io::empty()).map_err(write_error)?;
        Ok(true)
    }

    fn entry(&self, path: Vec<u8>, kind: EntryKind, metadata: &Metadata) -> TarEntry {
        // Linux ignores the mode of a link; another system's tar may have set one.
        let mode = if metadata.kind == FileKind::Symlink { 0o777 } else { metadata.mode };
        let mut entry = TarEntry::new(path, kind, mode);
        entry.uid = metadata.uid;
        entry.gid = metadata.gid;
        entry.mtime =
            Timestamp { seconds: metadata.mtime.seconds.clamp(*self.times.start(), *self.times.end()), nanoseconds: 0 };
        entry
    }

    fn bytes_of(&self, name: &OsStr) -> Vec<u8> {
        [&self.path, name.as_bytes()].concat()
    }

    fn path_of(&self, name: &OsStr) -> PathBuf {
        Path::new("/").join(OsStr::from_bytes(&self.path)).join(name)
    }

    fn error(&self, action: &'static str, name: &OsStr) -> impl FnOnce(io::Error) -> Error + use<W> {
        Error::io(action, &self.path_of(name))
    }
}

fn portable(mut xattrs: Vec<(Vec<u8>, Vec<u8>)>) -> Vec<(Vec<u8>, Vec<u8>)> {
    xattrs.retain(|(name, _)| is_portable_xattr(name));
    xattrs
}

fn write_error(source: io::Error) -> Error {
    Error::stream("write the layer's tar")(source)
}
