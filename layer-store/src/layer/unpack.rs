//! Tar -> tree: entries are made one by one, under a [`Root`] out of which no name or link of theirs leads.
//!
//! What a layer's whiteouts become is for the caller to say. Nothing is synced to disk here.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{Gid, Mode, Uid};
use rustix::io::Errno;

use super::whiteout::{self, Marker};
use crate::root::{Dir, FileKind, Root, Timestamp, is_absent, is_portable_xattr, timestamps, xattr};
use crate::tarball::{EntryKind, TarEntry, TarReader};
use crate::{Error, Result};

/// What the names that begin with `.wh.` mean in a tar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whiteouts {
    /// They hide files of lower layers; the tree is to be a lower directory of an overlay, and gets its marks.
    Overlay,
    /// They remove what is there; the tree holds the layers below already.
    Apply,
    /// Nothing: the tar is no layer but an archive of a user's.
    Literal,
}

/// What was unpacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Unpacked {
    /// Number of entries of the tar.
    pub entries: u64,
    /// Bytes in regular files, with holes.
    pub bytes: u64,
}

/// Mode of directories that a tar implies but does not have.
const IMPLIED_MODE: u32 = 0o755;

/// Unpacks a tar that is not compressed into `root`, and reads `tar` to its very end, so that a digest of it is whole.
///
/// What is in the way of an entry is replaced, only directories are merged. Owners, modes, times, links, devices and
/// attributes are restored; attributes of SELinux and of overlays are not, nor those that this user may not set
/// (`trusted.` and `security.`, except for capabilities).
///
/// # Errors
/// [`Error::UnsafePath`] where a name or a hard link climbs out with `..`, [`Error::InvalidEntry`] for a damaged tar,
/// [`Error::Io`] with the path of the entry. The tree is then partly unpacked.
pub fn unpack(tar: impl Read, root: &Root, whiteouts: Whiteouts) -> Result<Unpacked> {
    let mut reader = TarReader::new(tar);
    let mut unpacker = Unpacker { root, whiteouts, parent: None, times: BTreeMap::new(), buffer: vec![0; 128 * 1024] };
    let mut done = Unpacked::default();
    while let Some(entry) = reader.next_entry()? {
        unpacker.unpack_entry(&entry, &mut reader)?;
        done.entries += 1;
        done.bytes += entry.size;
    }
    unpacker.set_directory_times()?;
    io::copy(&mut reader.into_inner(), &mut io::sink()).map_err(Error::stream("read the tar stream"))?;
    Ok(done)
}

struct Unpacker<'a> {
    root: &'a Root,
    whiteouts: Whiteouts,
    /// The directory of the last entry, as the next one is mostly in it too.
    parent: Option<(PathBuf, Dir)>,
    /// Times of directories: set last, as whatever is made in a directory changes them.
    times: BTreeMap<PathBuf, Timestamp>,
    buffer: Vec<u8>,
}

impl Unpacker<'_> {
    fn unpack_entry<R: Read>(&mut self, entry: &TarEntry, data: &mut TarReader<R>) -> Result<()> {
        let path = inside(entry.path())?;
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return self.unpack_root(entry);
        };
        let dir = self.open_parent(parent)?;
        let made = match self.whiteouts {
            Whiteouts::Literal => self.make(&dir, name, entry, data),
            Whiteouts::Overlay | Whiteouts::Apply => match whiteout::marker(name) {
                Marker::None => self.make(&dir, name, entry, data),
                Marker::Opaque => self.clear(&dir).map_err(Error::io("unpack", &path)),
                Marker::Whiteout(hidden) if is_name(hidden) => {
                    self.hide(&dir, hidden).map_err(Error::io("unpack", &path))
                }
                Marker::Whiteout(_) => Err(invalid(entry, "it is a whiteout of no name")),
                Marker::Bookkeeping => Ok(()),
            },
        };
        self.parent.get_or_insert((parent.to_owned(), dir));
        made
    }

    fn hide(&self, dir: &Dir, hidden: &OsStr) -> io::Result<()> {
        match self.whiteouts {
            Whiteouts::Apply => remove(dir, hidden),
            Whiteouts::Overlay | Whiteouts::Literal => hide(dir, hidden),
        }
    }

    /// An opaque directory, which is the first that a tar says of it.
    fn clear(&self, dir: &Dir) -> io::Result<()> {
        match self.whiteouts {
            Whiteouts::Apply => dir.names()?.iter().try_for_each(|name| remove(dir, name)),
            Whiteouts::Overlay | Whiteouts::Literal => whiteout::mark_opaque(dir),
        }
    }

    /// An entry for the root directory itself, such as `./`.
    fn unpack_root(&mut self, entry: &TarEntry) -> Result<()> {
        if entry.kind != EntryKind::Directory {
            return Err(invalid(entry, "it has no name, and is no directory"));
        }
        self.times.insert(PathBuf::new(), entry.mtime);
        set_attributes(self.root.dir(), OsStr::new("."), entry).map_err(Error::io("unpack", Path::new("/")))
    }

    /// Takes the directory out of the memory, as what is made may replace it; the caller puts it back.
    fn open_parent(&mut self, parent: &Path) -> Result<Dir> {
        if let Some((path, dir)) = self.parent.take()
            && path == parent
        {
            return Ok(dir);
        }
        let open = || self.root.open_root(parent).map(Root::into_dir);
        match open() {
            Err(Error::Io { source, .. }) if is_absent(&source) => {
                self.make_parents(parent)?;
                open()
            }
            other => other,
        }
    }

    fn make_parents(&self, parent: &Path) -> Result<()> {
        if self.whiteouts == Whiteouts::Overlay {
            // An earlier whiteout of this layer hides a directory of that name below, not the one to be made.
            let above: Vec<&Path> = parent.ancestors().collect();
            for path in above.into_iter().rev().skip(1) {
                if self.root.stat(path)?.is_some_and(|metadata| metadata.kind.is_whiteout()) {
                    self.root.remove_all(path)?;
                    self.root.create_dir(path, IMPLIED_MODE)?;
                    let made = self.root.open_root(path)?.into_dir();
                    whiteout::mark_opaque(&made).map_err(Error::io("unpack", path))?;
                }
            }
        }
        self.root.create_dir_all(parent, IMPLIED_MODE)?;
        Ok(())
    }

    fn make<R: Read>(&mut self, dir: &Dir, name: &OsStr, entry: &TarEntry, data: &mut TarReader<R>) -> Result<()> {
        let failed = || Error::io("unpack", entry.path());
        match &entry.kind {
            EntryKind::Regular => self.make_file(dir, name, entry, data),
            EntryKind::HardLink(target) => self.make_hard_link(dir, name, entry, target),
            EntryKind::Directory => {
                self.times.insert(inside(entry.path())?, entry.mtime);
                self.make_directory(dir, name).map_err(failed())?;
                set_attributes(dir, name, entry).map_err(failed())
            }
            EntryKind::Symlink(target) => {
                if target.is_empty() || target.contains(&0) {
                    return Err(invalid(entry, "it is a link to nothing"));
                }
                replacing(dir, name, || dir.symlink(name, target)).map_err(failed())?;
                set_attributes(dir, name, entry).map_err(failed())
            }
            EntryKind::CharDevice(_) | EntryKind::BlockDevice(_) | EntryKind::Fifo => {
                let kind = node_kind(&entry.kind);
                if kind.is_whiteout() {
                    return Err(invalid(entry, "the device 0:0 marks deletions in an overlay, and cannot be a file"));
                }
                replacing(dir, name, || dir.mknod(name, kind, entry.mode)).map_err(failed())?;
                set_attributes(dir, name, entry).map_err(failed())
            }
        }
    }

    fn make_directory(&self, dir: &Dir, name: &OsStr) -> io::Result<()> {
        match dir.create_dir(name, IMPLIED_MODE) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            other => return other,
        }
        let there = dir.stat(name)?.kind;
        if there == FileKind::Directory {
            return Ok(());
        }
        dir.remove(name)?;
        dir.create_dir(name, IMPLIED_MODE)?;
        if self.whiteouts == Whiteouts::Overlay && there.is_whiteout() {
            whiteout::mark_opaque(&dir.open_dir(name)?)?;
        }
        Ok(())
    }

    fn make_file<R: Read>(&mut self, dir: &Dir, name: &OsStr, entry: &TarEntry, data: &mut TarReader<R>) -> Result<()> {
        let failed = || Error::io("unpack", entry.path());
        let mut file = replacing(dir, name, || dir.create_file(name, 0o600)).map_err(failed())?;
        let mut holes = 0;
        loop {
            let hole = data.skip_hole();
            holes += hole;
            if hole > 0 {
                let offset = i64::try_from(hole).map_err(|_| invalid(entry, "it has a hole larger than any file"))?;
                file.seek(SeekFrom::Current(offset)).map_err(failed())?;
            }
            let count = data.read(&mut self.buffer).map_err(Error::stream("read the tar stream"))?;
            if count == 0 {
                break;
            }
            file.write_all(&self.buffer[..count]).map_err(failed())?;
        }
        if holes > 0 {
            file.set_len(entry.size).map_err(failed())?;
        }
        let finish = || -> io::Result<()> {
            if dir.keeps_owners_on_disk() {
                rustix::fs::fchown(&file, Some(Uid::from_raw(entry.uid)), Some(Gid::from_raw(entry.gid)))?;
            } else {
                dir.set_owner(name, entry.uid, entry.gid)?;
            }
            // After the owner, as a new owner takes setuid, setgid and capabilities away.
            rustix::fs::fchmod(&file, Mode::from_raw_mode(entry.mode))?;
            for (attribute, value) in &entry.xattrs {
                set_xattr(attribute, |attribute| xattr::set_of(&file, attribute, value))?;
            }
            Ok(rustix::fs::futimens(&file, &timestamps(entry.mtime))?)
        };
        finish().map_err(failed())
    }

    fn make_hard_link(&self, dir: &Dir, name: &OsStr, entry: &TarEntry, target: &[u8]) -> Result<()> {
        let target = inside(Path::new(OsStr::from_bytes(target)))?;
        let (Some(parent), Some(target_name)) = (target.parent(), target.file_name()) else {
            return Err(invalid(entry, "it is a hard link to no file"));
        };
        let missing = || invalid(entry, &format!("it is a hard link to `{}`, which is not there", target.display()));
        if target == inside(entry.path())? {
            return Err(invalid(entry, "it is a hard link to itself"));
        }
        let target_dir = match self.root.open_root(parent) {
            Err(Error::Io { source, .. }) if is_absent(&source) => return Err(missing()),
            other => other?.into_dir(),
        };
        match target_dir.stat(target_name) {
            Err(error) if is_absent(&error) => return Err(missing()),
            Ok(metadata) if metadata.kind.is_whiteout() => return Err(missing()),
            Ok(metadata) if metadata.kind == FileKind::Directory => {
                return Err(invalid(entry, "it is a hard link to a directory"));
            }
            other => other.map_err(Error::io("unpack", entry.path()))?,
        };
        replacing(dir, name, || dir.hard_link(name, &target_dir, target_name))
            .map_err(Error::io("unpack", entry.path()))
    }

    fn set_directory_times(&mut self) -> Result<()> {
        for (path, mtime) in std::mem::take(&mut self.times) {
            // A later entry may have put something else in its place.
            if self.root.stat(&path)?.is_some_and(|metadata| metadata.kind == FileKind::Directory) {
                self.root.set_mtime(&path, mtime)?;
            }
        }
        Ok(())
    }
}

/// A path of the tar, relative to the root. `..` is refused rather than cut at the root: no honest tar has it.
fn inside(path: &Path) -> Result<PathBuf> {
    let mut clean = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => clean.push(name),
            Component::ParentDir => return Err(Error::UnsafePath { path: path.to_owned() }),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    Ok(clean)
}

/// Whether a whiteout's rest is a name that a directory can hold.
fn is_name(name: &OsStr) -> bool {
    !matches!(name.as_bytes(), b"" | b"." | b"..")
}

/// Hides `name` of the layers below, but not what this layer has of that name.
fn hide(dir: &Dir, name: &OsStr) -> io::Result<()> {
    match dir.stat(name) {
        Err(error) if is_absent(&error) => dir.whiteout(name),
        Ok(metadata) if metadata.kind == FileKind::Directory => whiteout::mark_opaque(&dir.open_dir(name)?),
        // Anything but a directory hides the same name below by itself.
        other => other.map(drop),
    }
}

/// Removes what a layer below made, if it is there.
fn remove(dir: &Dir, name: &OsStr) -> io::Result<()> {
    match dir.remove_all(name) {
        Err(error) if is_absent(&error) => Ok(()),
        other => other,
    }
}

/// Makes something; what is in the way is removed first.
fn replacing<T>(dir: &Dir, name: &OsStr, mut make: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    match make() {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            dir.remove_all(name)?;
            make()
        }
        other => other,
    }
}

/// Sets owner, mode, attributes and time by name, all but of a regular file.
fn set_attributes(dir: &Dir, name: &OsStr, entry: &TarEntry) -> io::Result<()> {
    dir.set_owner(name, entry.uid, entry.gid)?;
    if !matches!(entry.kind, EntryKind::Symlink(_)) {
        dir.set_mode(name, entry.mode)?;
    }
    for (attribute, value) in &entry.xattrs {
        set_xattr(attribute, |attribute| dir.set_xattr(name, attribute, value))?;
    }
    dir.set_mtime(name, entry.mtime)
}

fn set_xattr(attribute: &[u8], set: impl FnOnce(&[u8]) -> io::Result<()>) -> io::Result<()> {
    if !is_portable_xattr(attribute) {
        return Ok(());
    }
    match set(attribute) {
        Err(error) if may_be_left_out(attribute, &error) => Ok(()),
        other => other,
    }
}

/// Labels of the machine that the tar was made on, which need rights or modules that are not here.
fn may_be_left_out(attribute: &[u8], error: &io::Error) -> bool {
    let refused =
        [Errno::PERM, Errno::OPNOTSUPP].iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error()));
    let machine = attribute.starts_with(b"security.") || attribute.starts_with(b"trusted.");
    refused && machine && attribute != b"security.capability"
}

fn node_kind(kind: &EntryKind) -> FileKind {
    match kind {
        EntryKind::CharDevice(device) => FileKind::CharDevice(*device),
        EntryKind::BlockDevice(device) => FileKind::BlockDevice(*device),
        _ => FileKind::Fifo,
    }
}

fn invalid(entry: &TarEntry, reason: &str) -> Error {
    Error::InvalidEntry { path: entry.path().to_owned(), reason: reason.to_owned() }
}
