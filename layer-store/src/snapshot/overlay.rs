//! The kernel's overlay file system (`filesystems/overlayfs`), mounted detached: no path, gone with its descriptors.
//!
//! Mounts have `userxattr` where the kernel knows it (5.11), also for root, so that a store reads the same at every level
//! of privilege. Hard links break when one name is written to (`index=off`), and renamed directories are copied
//! (`redirect_dir=off`), as each layer must stand by itself.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, OpenTreeFlags};

use crate::{Error, Result};

/// The kernel's limit on lower directories (`OVL_MAX_STACK`).
const MAX_LAYERS: usize = 500;

/// The longest value that one option takes (`fsconfig`), in bytes.
const MAX_VALUE: usize = 255;

/// The writable part of an overlay.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Upper<'a> {
    /// Takes all changes.
    pub(crate) upper: &'a Path,
    /// Scratch space of the kernel's, on the same file system.
    pub(crate) work: &'a Path,
    /// Whether writes may be lost when the machine fails.
    pub(crate) durability: Durability,
}

/// What becomes of an `fsync` in the mounted tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Durability {
    /// It is passed on: for trees that live longer than the process.
    Kept,
    /// It does nothing, as whoever commits the tree will sync it (`volatile`, Linux 5.10).
    Volatile,
}

/// Mounts `lowers`, lowest first, and returns the detached mount. Without `upper` it is read-only.
///
/// At least one lower directory is needed with an upper one, two without.
pub(crate) fn mount(lowers: &[PathBuf], upper: Option<Upper<'_>>) -> Result<OwnedFd> {
    if lowers.len() > MAX_LAYERS {
        return Err(Error::TooManyLayers(lowers.len()));
    }
    let lowers = lowers.iter().rev().map(|path| Lower::open(path)).collect::<Result<Vec<_>>>()?;
    let error = |(step, source): Failure| Error::Mount { layers: lowers.len(), step, source: source.into() };
    match configure(&lowers, upper, Marks::User) {
        // Before 5.11 there are only `trusted.` marks, and before 5.10 no volatile mounts.
        Err((_, Errno::INVAL)) => configure(&lowers, upper, Marks::Trusted).map_err(error),
        other => other.map_err(error),
    }
}

/// Another descriptor of a mount, for somebody who will attach it.
///
/// Before Linux 6.15 a detached mount has no copies: then it is the same mount, which can be attached once.
pub(crate) fn clone_mount(mount: &OwnedFd) -> io::Result<OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_EMPTY_PATH;
    match rustix::mount::open_tree(mount, c"", flags) {
        Err(Errno::INVAL) => mount.try_clone(),
        other => Ok(other?),
    }
}

/// A directory handle for reading on the root of a mount.
pub(crate) fn open_root(mount: &OwnedFd) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(mount, c".", flags, Mode::empty())?)
}

/// The step of a mount and why it failed.
type Failure = (&'static str, Errno);

/// The name space of the overlay's own attributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Marks {
    User,
    Trusted,
}

/// A lower directory with a path that is short enough for an option.
struct Lower {
    path: Vec<u8>,
    /// Keeps a path below `/proc/self/fd` valid.
    _handle: Option<File>,
}

impl Lower {
    fn open(path: &Path) -> Result<Self> {
        let bytes = path.as_os_str().as_bytes();
        if bytes.len() <= MAX_VALUE {
            return Ok(Self { path: bytes.to_vec(), _handle: None });
        }
        let handle = File::open(path).map_err(Error::io("open", path))?;
        Ok(Self { path: format!("/proc/self/fd/{}", handle.as_raw_fd()).into_bytes(), _handle: Some(handle) })
    }
}

fn configure(lowers: &[Lower], upper: Option<Upper<'_>>, marks: Marks) -> Result<OwnedFd, Failure> {
    let context = rustix::mount::fsopen(c"overlay", FsOpenFlags::FSOPEN_CLOEXEC).map_err(|error| ("fsopen", error))?;
    let set = |key: &str, value: &[u8]| rustix::mount::fsconfig_set_string(context.as_fd(), key, value);
    set("source", b"dhow").map_err(|error| ("source", error))?;
    set_lowers(&context, lowers)?;
    for (key, value) in [("index", "off"), ("redirect_dir", "off"), ("metacopy", "off")] {
        // A kernel that was built without one of these has it off.
        let _ = set(key, value.as_bytes());
    }
    if marks == Marks::User {
        rustix::mount::fsconfig_set_flag(&context, "userxattr").map_err(|error| ("userxattr", error))?;
    }
    let mut handles = Vec::new();
    if let Some(upper) = upper {
        for (key, path) in [("upperdir", upper.upper), ("workdir", upper.work)] {
            let path = Lower::open(path).map_err(|_| (key, Errno::NOENT))?;
            set(key, &path.path).map_err(|error| (key, error))?;
            handles.push(path);
        }
        if upper.durability == Durability::Volatile && marks == Marks::User {
            rustix::mount::fsconfig_set_flag(&context, "volatile").map_err(|error| ("volatile", error))?;
        }
    }
    rustix::mount::fsconfig_create(&context).map_err(|error| ("create", error))?;
    let attributes = if upper.is_some() { MountAttrFlags::empty() } else { MountAttrFlags::MOUNT_ATTR_RDONLY };
    rustix::mount::fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, attributes).map_err(|error| ("fsmount", error))
}

/// One option a layer where the kernel takes that (6.7), else all in one.
fn set_lowers(context: &OwnedFd, lowers: &[Lower]) -> Result<(), Failure> {
    for (index, lower) in lowers.iter().enumerate() {
        match rustix::mount::fsconfig_set_string(context, "lowerdir+", lower.path.as_slice()) {
            Err(Errno::INVAL) if index == 0 => return set_lowers_at_once(context, lowers),
            other => other.map_err(|error| ("lowerdir+", error))?,
        }
    }
    Ok(())
}

fn set_lowers_at_once(context: &OwnedFd, lowers: &[Lower]) -> Result<(), Failure> {
    let mut value = Vec::new();
    for lower in lowers {
        if !value.is_empty() {
            value.push(b':');
        }
        for byte in &lower.path {
            if matches!(byte, b':' | b'\\' | b',') {
                value.push(b'\\');
            }
            value.push(*byte);
        }
    }
    rustix::mount::fsconfig_set_string(context, "lowerdir", value.as_slice()).map_err(|error| ("lowerdir", error))
}
