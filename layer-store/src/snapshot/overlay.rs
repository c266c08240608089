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
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, OpenTreeFlags};

use super::classic;
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
/// At least one lower directory is needed with an upper one, two without. In the directory `scratch` a mount point may be
/// made for a moment.
pub(crate) fn mount(lowers: &[PathBuf], upper: Option<Upper<'_>>, scratch: &Path) -> Result<OwnedFd> {
    if lowers.len() > MAX_LAYERS {
        return Err(Error::TooManyLayers(lowers.len()));
    }
    // A style that the kernel does not know leaves a line in its log: it is tried once.
    static UNKNOWN: AtomicBool = AtomicBool::new(false);
    let mut failure = ("options", Errno::INVAL);
    for style in STYLES {
        if style.lowers == Lowers::One && UNKNOWN.load(Ordering::Relaxed) {
            continue;
        }
        let mounted = match configure(lowers, upper, style) {
            Err((_, Errno::TOOBIG)) => mount_with_path(lowers, upper, (style, scratch)),
            other => other,
        };
        match mounted {
            // The kernel may know the next style only.
            Err(next @ (step, Errno::INVAL | Errno::TOOBIG)) => {
                UNKNOWN.fetch_or(step == ONE_LOWER, Ordering::Relaxed);
                failure = next;
            }
            Err(other) => return Err(error(lowers, other)),
            Ok(mount) => return Ok(mount),
        }
    }
    Err(error(lowers, failure))
}

fn error(lowers: &[PathBuf], (step, source): Failure) -> Error {
    Error::Mount { layers: lowers.len(), step, source: source.into() }
}

fn mount_with_path(
    lowers: &[PathBuf],
    upper: Option<Upper<'_>>,
    (style, scratch): (Style, &Path),
) -> Result<OwnedFd, Failure> {
    let failed = |error: io::Error| ("mkdir", Errno::from_io_error(&error).unwrap_or(Errno::IO));
    let point = tempfile::tempdir_in(scratch).map_err(failed)?;
    classic::mount(lowers, upper, (style, point.path()))
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
pub(super) type Failure = (&'static str, Errno);

/// The option for one lower directory (6.7).
const ONE_LOWER: &str = "lowerdir+";

/// Ways of saying the same to kernels of different ages, newest first.
const STYLES: [Style; 4] = [
    Style { lowers: Lowers::One, marks: Marks::User },
    Style { lowers: Lowers::All, marks: Marks::User },
    Style { lowers: Lowers::One, marks: Marks::Trusted },
    Style { lowers: Lowers::All, marks: Marks::Trusted },
];

#[derive(Debug, Clone, Copy)]
pub(super) struct Style {
    lowers: Lowers,
    pub(super) marks: Marks,
}

/// How lower directories are named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lowers {
    /// One an option (6.7).
    One,
    /// All in one option.
    All,
}

/// The name space of the overlay's own attributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Marks {
    /// `user.overlay.` (5.11).
    User,
    /// `trusted.overlay.`, which needs root.
    Trusted,
}

/// A lower directory with a path that is short enough for an option.
pub(super) struct Lower {
    pub(super) path: Vec<u8>,
    /// Keeps a path below `/proc/self/fd` valid.
    _handle: Option<File>,
}

impl Lower {
    fn open(path: &Path) -> io::Result<Self> {
        let bytes = path.as_os_str().as_bytes();
        if bytes.len() <= MAX_VALUE {
            return Ok(Self { path: bytes.to_vec(), _handle: None });
        }
        Self::open_short(path)
    }

    /// With a path that is short whatever the directory's is.
    pub(super) fn open_short(path: &Path) -> io::Result<Self> {
        let handle = File::open(path)?;
        Ok(Self { path: format!("/proc/self/fd/{}", handle.as_raw_fd()).into_bytes(), _handle: Some(handle) })
    }
}

fn configure(lowers: &[PathBuf], upper: Option<Upper<'_>>, style: Style) -> Result<OwnedFd, Failure> {
    let open = |path: &Path| Lower::open(path).map_err(|_| ("open", Errno::NOENT));
    let lowers = lowers.iter().rev().map(|path| open(path)).collect::<Result<Vec<_>, _>>()?;
    let context = rustix::mount::fsopen(c"overlay", FsOpenFlags::FSOPEN_CLOEXEC).map_err(at("fsopen"))?;
    let set = |key: &'static str, value: &[u8]| {
        rustix::mount::fsconfig_set_string(context.as_fd(), key, value).map_err(at(key))
    };
    set("source", b"dhow")?;
    match style.lowers {
        Lowers::One => lowers.iter().try_for_each(|lower| set(ONE_LOWER, &lower.path))?,
        Lowers::All => set("lowerdir", &short_list(&lowers)?)?,
    }
    for key in style.switched_off() {
        set(key, b"off")?;
    }
    let flags = style.flags(upper);
    for flag in flags {
        rustix::mount::fsconfig_set_flag(&context, *flag).map_err(at(flag))?;
    }
    if let Some(upper) = upper {
        let (upper, work) = (open(upper.upper)?, open(upper.work)?);
        set("upperdir", &upper.path)?;
        set("workdir", &work.path)?;
    }
    rustix::mount::fsconfig_create(&context).map_err(at("create"))?;
    let attributes = if upper.is_some() { MountAttrFlags::empty() } else { MountAttrFlags::MOUNT_ATTR_RDONLY };
    rustix::mount::fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, attributes).map_err(at("fsmount"))
}

impl Style {
    /// Features that must not be on, as each layer has to stand by itself.
    pub(super) fn switched_off(self) -> &'static [&'static str] {
        match self.marks {
            // The others are off with `userxattr`, and may not even be named.
            Marks::User => &["index"],
            Marks::Trusted => &["index", "redirect_dir", "metacopy"],
        }
    }

    /// The options without a value.
    pub(super) fn flags(self, upper: Option<Upper<'_>>) -> &'static [&'static str] {
        match (self.marks, upper.map(|upper| upper.durability)) {
            (Marks::User, Some(Durability::Volatile)) => &["userxattr", "volatile"],
            (Marks::User, _) => &["userxattr"],
            // Kernels without `userxattr` may be without `volatile` too.
            (Marks::Trusted, _) => &[],
        }
    }
}

fn short_list(lowers: &[Lower]) -> Result<Vec<u8>, Failure> {
    let value = lowers.iter().map(|lower| escaped(&lower.path)).collect::<Vec<_>>().join(&b':');
    if value.len() > MAX_VALUE { Err(("lowerdir", Errno::TOOBIG)) } else { Ok(value) }
}

/// A path in an option: colons separate, commas end.
pub(super) fn escaped(path: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(path.len());
    for byte in path {
        if matches!(byte, b':' | b'\\' | b',') {
            text.push(b'\\');
        }
        text.push(*byte);
    }
    text
}

pub(super) fn at(step: &'static str) -> impl FnOnce(Errno) -> Failure {
    move |source| (step, source)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::{Durability, STYLES, Upper, clone_mount, configure, mount_with_path, open_root};
    use crate::root::Root;
    use crate::snapshot::make_dir;
    use crate::test_skip::skip;

    #[test]
    fn every_style_that_old_kernels_need_mounts_the_same() {
        for (index, style) in STYLES.into_iter().enumerate() {
            for by_path in [false, true] {
                let directory = tempfile::tempdir().unwrap();
                let dir = |name: &str| {
                    make_dir(&directory.path().join(name)).unwrap();
                    directory.path().join(name)
                };
                let lowers: Vec<_> =
                    (0..if by_path { 150 } else { 2 }).map(|layer| dir(&format!("a,b:{layer}"))).collect();
                for (layer, lower) in lowers.iter().enumerate() {
                    fs::write(lower.join(layer.to_string()), "").unwrap();
                }
                let (upper, work) = (dir("upper"), dir("work"));
                let upper = Upper { upper: &upper, work: &work, durability: Durability::Volatile };
                let mounted = if by_path {
                    mount_with_path(&lowers, Some(upper), (style, directory.path()))
                } else {
                    configure(&lowers, Some(upper), style)
                };
                let mount = match mounted {
                    Err((step, error)) if error == rustix::io::Errno::PERM => {
                        return skip(format!("may not mount ({step}: {error})"));
                    }
                    // Paths with a colon cannot be given at once with a kernel that takes them one by one.
                    other => other.unwrap_or_else(|error| panic!("style {index} by path {by_path}: {error:?}")),
                };
                let root = Root::from_fd(open_root(&clone_mount(&mount).unwrap()).unwrap());
                assert_eq!(root.read_dir(Path::new("/")).unwrap().len(), lowers.len());
                root.remove_all(Path::new("0")).unwrap();
                assert_eq!(fs::read_dir(directory.path().join("upper")).unwrap().count(), 1);
                let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
                assert!(!mounts.contains(&directory.path().display().to_string()));
            }
        }
    }
}
