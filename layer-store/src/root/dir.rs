//! One open directory, and operations on single names in it that never follow a symbolic link.
//!
//! This is the layer below [`Root`](super::Root): a name here has no slash, so that nothing can be resolved out of
//! the directory. Owners go through [`Ownership`].

use std::ffi::{CString, OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use rustix::fs::{AtFlags, Gid, Mode, OFlags, RawDir, Timespec, Timestamps, Uid};
use rustix::io::Errno;

use super::ownership::{OWNERS, OwnersRecord, STAT, StatRecord};
use super::{FileKind, Metadata, Ownership, Timestamp, xattr};

/// An open directory.
#[derive(Debug)]
pub(crate) struct Dir {
    fd: OwnedFd,
    ownership: Ownership,
}

const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC).union(OFlags::NOFOLLOW);

impl Dir {
    /// `fd` must be a directory that was opened for reading.
    pub(crate) fn from_fd(fd: OwnedFd, ownership: Ownership) -> Self {
        Self { fd, ownership }
    }

    pub(crate) fn ownership(&self) -> Ownership {
        self.ownership
    }

    pub(crate) fn try_clone(&self) -> io::Result<Self> {
        Ok(Self { fd: self.fd.try_clone()?, ownership: self.ownership })
    }

    pub(crate) fn open_dir(&self, name: &OsStr) -> io::Result<Self> {
        let fd = rustix::fs::openat(&self.fd, name, DIRECTORY, Mode::empty())?;
        Ok(Self { fd, ownership: self.ownership })
    }

    /// Opens a file for reading; `O_NONBLOCK`, so that a pipe cannot make the caller wait for ever.
    pub(crate) fn open_file(&self, name: &OsStr) -> io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        Ok(rustix::fs::openat(&self.fd, name, flags, Mode::empty())?.into())
    }

    /// Creates a file that must not exist, for writing. The umask applies to `mode`.
    pub(crate) fn create_file(&self, name: &OsStr, mode: u32) -> io::Result<File> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        Ok(rustix::fs::openat(&self.fd, name, flags, Mode::from_raw_mode(mode))?.into())
    }

    /// Creates a directory that must not exist. The umask applies to `mode`.
    pub(crate) fn create_dir(&self, name: &OsStr, mode: u32) -> io::Result<()> {
        Ok(rustix::fs::mkdirat(&self.fd, name, Mode::from_raw_mode(mode))?)
    }

    pub(crate) fn symlink(&self, name: &OsStr, target: &[u8]) -> io::Result<()> {
        Ok(rustix::fs::symlinkat(target, &self.fd, name)?)
    }

    /// Makes `name` a further name of the file `from` in `from_dir`.
    pub(crate) fn hard_link(&self, name: &OsStr, from_dir: &Self, from: &OsStr) -> io::Result<()> {
        Ok(rustix::fs::linkat(&from_dir.fd, from, &self.fd, name, AtFlags::empty())?)
    }

    /// Makes a device node, pipe or socket. Where devices may not be made, an empty file with a record stands for one.
    pub(crate) fn mknod(&self, name: &OsStr, kind: FileKind, mode: u32) -> io::Result<()> {
        let device = match kind {
            FileKind::CharDevice(device) | FileKind::BlockDevice(device) => Some(device),
            _ => None,
        };
        let number = device.map_or(0, |device| rustix::fs::makedev(device.major, device.minor));
        match rustix::fs::mknodat(&self.fd, name, kind.raw(), Mode::from_raw_mode(mode), number) {
            Err(Errno::PERM) if device.is_some() => {
                self.create_file(name, mode)?;
                self.write_stat_record(name, StatRecord { uid: 0, gid: 0, device: Some(kind) })
            }
            other => Ok(other?),
        }
    }

    /// Makes an overlay's whiteout. Any user may, since Linux 5.8.
    pub(crate) fn whiteout(&self, name: &OsStr) -> io::Result<()> {
        let kind = rustix::fs::FileType::CharacterDevice;
        Ok(rustix::fs::mknodat(&self.fd, name, kind, Mode::empty(), 0)?)
    }

    pub(crate) fn stat(&self, name: &OsStr) -> io::Result<Metadata> {
        let stat = rustix::fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW)?;
        let mut metadata = Metadata::from_stat(&stat);
        if self.ownership == Ownership::Recorded {
            // Whoever owns it on disk is the only user there is.
            (metadata.uid, metadata.gid) = (0, 0);
        }
        let may_stand_for_device = metadata.kind == FileKind::Regular && metadata.size == 0;
        if (self.ownership == Ownership::Recorded || may_stand_for_device)
            && let Some(record) = self.stat_record(name, metadata.kind)?
        {
            record.apply(&mut metadata, self.ownership);
        }
        Ok(metadata)
    }

    pub(crate) fn read_link(&self, name: &OsStr) -> io::Result<Vec<u8>> {
        Ok(rustix::fs::readlinkat(&self.fd, name, Vec::new())?.into_bytes())
    }

    /// The names in the directory but `.` and `..`, sorted by their bytes.
    pub(crate) fn names(&self) -> io::Result<Vec<OsString>> {
        // A descriptor of its own, as the position is shared between duplicates.
        let fd = rustix::fs::openat(&self.fd, c".", DIRECTORY, Mode::empty())?;
        let mut names = Vec::new();
        let mut buffer = Vec::with_capacity(32 * 1024);
        let mut entries = RawDir::new(fd, buffer.spare_capacity_mut());
        while let Some(entry) = entries.next() {
            let name = entry?.file_name().to_bytes().to_vec();
            if name != b"." && name != b".." {
                names.push(OsString::from_vec(name));
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    pub(crate) fn set_owner(&self, name: &OsStr, uid: u32, gid: u32) -> io::Result<()> {
        match self.ownership {
            Ownership::OnDisk => {
                let (uid, gid) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
                Ok(rustix::fs::chownat(&self.fd, name, uid, gid, AtFlags::SYMLINK_NOFOLLOW)?)
            }
            Ownership::Recorded => self.record_owner(name, uid, gid),
        }
    }

    /// Sets the mode of anything but a symbolic link.
    pub(crate) fn set_mode(&self, name: &OsStr, mode: u32) -> io::Result<()> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(&self.fd, name, flags, Mode::empty())?;
        let stat = rustix::fs::fstat(&fd)?;
        if Metadata::from_stat(&stat).kind == FileKind::Symlink {
            return Err(Errno::LOOP.into());
        }
        // A path descriptor takes no fchmod; its magic link names exactly this file.
        let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
        Ok(rustix::fs::chmod(path.as_str(), Mode::from_raw_mode(mode))?)
    }

    /// Sets access and modification time, also of a symbolic link.
    pub(crate) fn set_mtime(&self, name: &OsStr, mtime: Timestamp) -> io::Result<()> {
        Ok(rustix::fs::utimensat(&self.fd, name, &timestamps(mtime), AtFlags::SYMLINK_NOFOLLOW)?)
    }

    /// The extended attributes, sorted by name, with those that are the store's own.
    pub(crate) fn xattrs(&self, name: &OsStr) -> io::Result<Vec<(Vec<u8>, Vec<u8>)>> {
        xattr::all(&self.proc_path(name)?)
    }

    pub(crate) fn xattr(&self, name: &OsStr, attribute: &[u8]) -> io::Result<Option<Vec<u8>>> {
        xattr::get(&self.proc_path(name)?, attribute)
    }

    /// Whether nothing stands in the way of `set_owner` on the open file instead of by name.
    pub(crate) fn keeps_owners_on_disk(&self) -> bool {
        self.ownership == Ownership::OnDisk
    }

    pub(crate) fn set_xattr(&self, name: &OsStr, attribute: &[u8], value: &[u8]) -> io::Result<()> {
        xattr::set(&self.proc_path(name)?, attribute, value)
    }

    pub(crate) fn remove_xattr(&self, name: &OsStr, attribute: &[u8]) -> io::Result<()> {
        xattr::remove(&self.proc_path(name)?, attribute)
    }

    pub(crate) fn rename(&self, name: &OsStr, to_dir: &Self, to: &OsStr) -> io::Result<()> {
        Ok(rustix::fs::renameat(&self.fd, name, &to_dir.fd, to)?)
    }

    /// Removes a file of any kind, or a directory that is empty.
    pub(crate) fn remove(&self, name: &OsStr) -> io::Result<()> {
        match rustix::fs::unlinkat(&self.fd, name, AtFlags::empty()) {
            Err(Errno::ISDIR) => Ok(rustix::fs::unlinkat(&self.fd, name, AtFlags::REMOVEDIR)?),
            other => Ok(other?),
        }
    }

    /// Removes a file, or a directory and all that is in it.
    pub(crate) fn remove_all(&self, name: &OsStr) -> io::Result<()> {
        match self.remove(name) {
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {}
            other => return other,
        }
        let child = self.open_dir(name)?;
        for inner in child.names()? {
            child.remove_all(&inner)?;
        }
        self.remove(name)
    }

    /// Writes everything of the file system that holds this directory to the disk.
    pub(crate) fn sync_file_system(&self) -> io::Result<()> {
        Ok(rustix::fs::syncfs(&self.fd)?)
    }

    /// A path by which the calls that know no directory descriptors reach `name`, without following it.
    fn proc_path(&self, name: &OsStr) -> io::Result<CString> {
        let mut path = format!("/proc/self/fd/{}/", self.fd.as_raw_fd()).into_bytes();
        path.extend_from_slice(name.as_bytes());
        Ok(CString::new(path)?)
    }

    fn stat_record(&self, name: &OsStr, kind: FileKind) -> io::Result<Option<StatRecord>> {
        match kind {
            FileKind::Regular | FileKind::Directory => {
                self.xattr(name, STAT.as_bytes())?.map(|bytes| StatRecord::parse(&bytes)).transpose()
            }
            _ => Ok(self.owners()?.get(name.as_bytes())),
        }
    }

    fn owners(&self) -> io::Result<OwnersRecord> {
        let bytes = self.xattr(OsStr::new("."), OWNERS.as_bytes())?.unwrap_or_default();
        OwnersRecord::parse(&bytes)
    }

    fn record_owner(&self, name: &OsStr, uid: u32, gid: u32) -> io::Result<()> {
        let stat = rustix::fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW)?;
        let kind = Metadata::from_stat(&stat).kind;
        let known = self.stat_record(name, kind)?;
        let record = StatRecord { uid, gid, device: known.and_then(|known| known.device) };
        if known == Some(record) || known.is_none() && (uid, gid) == (0, 0) {
            return Ok(());
        }
        match kind {
            FileKind::Regular | FileKind::Directory => self.write_stat_record(name, record),
            _ => {
                let mut owners = self.owners()?;
                owners.set(name.as_bytes(), record);
                self.set_xattr(OsStr::new("."), OWNERS.as_bytes(), &owners.format())
            }
        }
    }

    fn write_stat_record(&self, name: &OsStr, record: StatRecord) -> io::Result<()> {
        self.set_xattr(name, STAT.as_bytes(), record.format().as_bytes())
    }
}

impl AsFd for Dir {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

pub(crate) fn timestamps(mtime: Timestamp) -> Timestamps {
    let time = Timespec { tv_sec: mtime.seconds, tv_nsec: mtime.nanoseconds.into() };
    Timestamps { last_access: time, last_modification: time }
}
