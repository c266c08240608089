//! The only door to paths that came from an image, an archive or a user's directory.
//!
//! [`Root`] is a directory handle. A path under it is resolved by the kernel (openat2 with `RESOLVE_IN_ROOT`), so that
//! neither `..` nor an absolute or hostile symbolic link can lead out of it: `/` and whatever is above it are the root
//! itself. Operations that make, change or remove something act on the last name without following it.
//! Packing and unpacking use the single-name operations of `Dir` below.

mod copy_data;
mod dir;
mod metadata;
mod ownership;
mod resolve;
pub(crate) mod xattr;

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use crate::layer::whiteout;
use crate::{Error, Result};

pub use copy_data::copy_data;
pub(crate) use dir::{Dir, timestamps};
pub use metadata::{Device, FileId, FileKind, Metadata, Timestamp};
pub use ownership::Ownership;
pub(crate) use ownership::PRIVATE_PREFIX;

/// An extended attribute: its name with the name space (`user.mime`), and its value.
pub type Xattr = (Vec<u8>, Vec<u8>);

/// A directory out of which no path leads.
#[derive(Debug)]
pub struct Root {
    dir: Dir,
}

impl Root {
    /// Opens the directory at `path`, which must be trusted; owners are those on disk.
    pub fn open(path: &Path) -> Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = rustix::fs::open(path, flags, Mode::empty()).map_err(Error::io("open", path))?;
        Ok(Self { dir: Dir::from_fd(fd, Ownership::OnDisk) })
    }

    /// Takes a directory that is open for reading (not `O_PATH`).
    pub fn from_fd(fd: OwnedFd) -> Self {
        Self { dir: Dir::from_fd(fd, Ownership::OnDisk) }
    }

    /// The same directory with owners kept as `ownership` says.
    pub fn with_ownership(self, ownership: Ownership) -> io::Result<Self> {
        Ok(Self { dir: Dir::from_fd(self.dir.as_fd().try_clone_to_owned()?, ownership) })
    }

    /// Where the owners of files are kept.
    pub fn ownership(&self) -> Ownership {
        self.dir.ownership()
    }

    /// A second handle on the same directory.
    pub fn try_clone(&self) -> Result<Self> {
        Ok(Self { dir: self.dir.try_clone().map_err(Error::io("open", Path::new("/")))? })
    }

    /// The directory at `path`, following symbolic links, as a root of its own.
    pub fn open_root(&self, path: &Path) -> Result<Self> {
        Ok(Self { dir: resolve::open_dir(&self.dir, path)? })
    }

    /// Opens a regular file for reading, following symbolic links within the root.
    pub fn open_file(&self, path: &Path) -> Result<File> {
        resolve::open_file(&self.dir, path)
    }

    /// Creates a regular file that must not exist yet, for reading and writing. The umask applies to `mode`.
    pub fn create_file(&self, path: &Path, mode: u32) -> Result<File> {
        self.at("create", path, |dir, name| dir.create_file(name, mode))
    }

    /// Creates one directory, which must not exist yet. The umask applies to `mode`.
    pub fn create_dir(&self, path: &Path, mode: u32) -> Result<()> {
        self.at("create the directory", path, |dir, name| dir.create_dir(name, mode))
    }

    /// Creates the directories of `path` that are missing, following symbolic links (also to what is missing), with
    /// exactly `mode`. Returns those it made, outermost first, without links.
    pub fn create_dir_all(&self, path: &Path, mode: u32) -> Result<Vec<PathBuf>> {
        resolve::create_dir_all(&self.dir, path, mode)
    }

    /// The path without symbolic links, relative to the root. Everything on it must exist.
    pub fn resolve(&self, path: &Path) -> Result<PathBuf> {
        resolve::real_path(&self.dir, path)
    }

    /// Creates a symbolic link to `target`, any text.
    pub fn symlink(&self, target: &Path, path: &Path) -> Result<()> {
        self.at("create the link", path, |dir, name| dir.symlink(name, target.as_os_str().as_bytes()))
    }

    /// Gives the file at `existing` (not followed) the further name `path`.
    pub fn hard_link(&self, existing: &Path, path: &Path) -> Result<()> {
        let (from_dir, from) = resolve::parent(&self.dir, existing)?;
        self.at("create the hard link", path, |dir, name| dir.hard_link(name, &from_dir, &from))
    }

    /// Creates a device node, pipe or socket. The umask applies to `mode`.
    pub fn mknod(&self, path: &Path, kind: FileKind, mode: u32) -> Result<()> {
        self.at("create the node", path, |dir, name| dir.mknod(name, kind, mode))
    }

    /// The metadata of what is at `path`, not following a link at its end; `None` if there is nothing.
    pub fn stat(&self, path: &Path) -> Result<Option<Metadata>> {
        match self.at("read the metadata of", path, Dir::stat) {
            Err(error) if is_missing(&error) => Ok(None),
            other => other.map(Some),
        }
    }

    /// The metadata of what `path` leads to when links are followed; `None` if that is nothing.
    pub fn metadata(&self, path: &Path) -> Result<Option<Metadata>> {
        match resolve::real_path(&self.dir, path) {
            Err(error) if is_missing(&error) => Ok(None),
            other => self.stat(&other?),
        }
    }

    /// The target of a symbolic link.
    pub fn read_link(&self, path: &Path) -> Result<PathBuf> {
        let target = self.at("read the link", path, Dir::read_link)?;
        Ok(PathBuf::from(OsString::from_vec(target)))
    }

    /// The names in a directory (links to it are followed), sorted by their bytes.
    pub fn read_dir(&self, path: &Path) -> Result<Vec<OsString>> {
        resolve::open_dir(&self.dir, path)?.names().map_err(Error::io("list", path))
    }

    /// Whether a directory of a layer hides all that the layers below have in it.
    pub fn is_opaque(&self, path: &Path) -> Result<bool> {
        whiteout::is_opaque(&resolve::open_dir(&self.dir, path)?).map_err(Error::io("read the attributes of", path))
    }

    /// Sets owner and group, also of a symbolic link itself. Clears setuid and setgid: set the mode afterwards.
    pub fn set_owner(&self, path: &Path, uid: u32, gid: u32) -> Result<()> {
        self.at("change the owner of", path, |dir, name| dir.set_owner(name, uid, gid))
    }

    /// Sets the permission bits (`0o7777`) of anything but a symbolic link.
    pub fn set_mode(&self, path: &Path, mode: u32) -> Result<()> {
        self.at("change the mode of", path, |dir, name| dir.set_mode(name, mode))
    }

    /// Sets the times of access and modification, also of a symbolic link itself.
    pub fn set_mtime(&self, path: &Path, mtime: Timestamp) -> Result<()> {
        self.at("change the times of", path, |dir, name| dir.set_mtime(name, mtime))
    }

    /// The extended attributes of a file, sorted by name, without those that belong to the store or to the overlay.
    pub fn xattrs(&self, path: &Path) -> Result<Vec<Xattr>> {
        let mut found = self.at("read the attributes of", path, Dir::xattrs)?;
        found.retain(|(name, _)| is_portable_xattr(name));
        Ok(found)
    }

    /// Sets an extended attribute, also of a symbolic link itself.
    pub fn set_xattr(&self, path: &Path, attribute: &[u8], value: &[u8]) -> Result<()> {
        self.at("set an attribute of", path, |dir, name| dir.set_xattr(name, attribute, value))
    }

    /// Moves `path` to `to`, replacing a file or an empty directory there.
    pub fn rename(&self, path: &Path, to: &Path) -> Result<()> {
        let (to_dir, to_name) = resolve::parent(&self.dir, to)?;
        self.at("rename", path, |dir, name| dir.rename(name, &to_dir, &to_name))
    }

    /// Removes a file, or a directory with all that is in it.
    pub fn remove_all(&self, path: &Path) -> Result<()> {
        self.at("remove", path, Dir::remove_all)
    }

    pub(crate) fn dir(&self) -> &Dir {
        &self.dir
    }

    pub(crate) fn into_dir(self) -> Dir {
        self.dir
    }

    fn at<T>(
        &self,
        action: &'static str,
        path: &Path,
        operation: impl FnOnce(&Dir, &OsStr) -> io::Result<T>,
    ) -> Result<T> {
        // A name in the root itself needs no resolving, which walks through large directories would feel.
        let mut components = path.components();
        if let (Some(Component::Normal(name)), None) = (components.next(), components.next()) {
            return operation(&self.dir, name).map_err(Error::io(action, path));
        }
        let (dir, name) = resolve::parent(&self.dir, path)?;
        operation(&dir, &name).map_err(Error::io(action, path))
    }
}

impl AsFd for Root {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }
}

/// Whether an attribute is part of a file as others see it: not the store's, an overlay's or this machine's label.
pub(crate) fn is_portable_xattr(name: &[u8]) -> bool {
    !(name.starts_with(PRIVATE_PREFIX)
        || name.starts_with(b"trusted.overlay.")
        || name.starts_with(b"user.overlay.")
        || name == b"security.selinux")
}

/// Whether the error says that there is no such file.
pub(crate) fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn is_missing(error: &Error) -> bool {
    matches!(error, Error::Io { source, .. } if is_absent(source))
}

#[cfg(test)]
mod tests;
