//! Resolving paths inside a root: by one openat2, or name by name where directories are made on the way.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use super::{Dir, FileKind};
use crate::{Error, Result};

/// As many links as the kernel follows in one path.
const MAX_LINKS: usize = 40;

/// The directory at `path`, following links.
pub(super) fn open_dir(root: &Dir, path: &Path) -> Result<Dir> {
    let fd = openat2(root, path, OFlags::RDONLY | OFlags::DIRECTORY)?;
    Ok(Dir::from_fd(fd, root.ownership()))
}

/// The regular file at `path`, following links.
pub(super) fn open_file(root: &Dir, path: &Path) -> Result<File> {
    let file = File::from(openat2(root, path, OFlags::RDONLY | OFlags::NONBLOCK)?);
    let metadata = file.metadata().map_err(Error::io("open", path))?;
    if !metadata.is_file() {
        let kind = if metadata.is_dir() { "it is a directory" } else { "it is not a regular file" };
        return Err(Error::io("open", path)(io::Error::new(io::ErrorKind::InvalidInput, kind)));
    }
    Ok(file)
}

/// The directory that holds the last name of `path`, and that name; `.` where the path ends in no name.
pub(super) fn parent(root: &Dir, path: &Path) -> Result<(Dir, OsString)> {
    match (path.file_name(), path.parent()) {
        (Some(name), Some(parent)) => Ok((open_dir(root, parent)?, name.to_owned())),
        _ => Ok((open_dir(root, path)?, OsString::from("."))),
    }
}

/// `path` without links, relative to the root.
pub(super) fn real_path(root: &Dir, path: &Path) -> Result<PathBuf> {
    let fd = openat2(root, path, OFlags::PATH)?;
    let absolute = |fd: i32| {
        let link = format!("/proc/self/fd/{fd}");
        std::fs::read_link(&link).map_err(Error::io("resolve", path))
    };
    let top = rustix::fs::openat(root, c".", OFlags::PATH | OFlags::CLOEXEC, Mode::empty());
    let top = absolute(top.map_err(Error::io("resolve", path))?.as_raw_fd())?;
    let found = absolute(fd.as_raw_fd())?;
    let outside = |_| Error::UnsafePath { path: path.to_owned() };
    Ok(found.strip_prefix(&top).map_err(outside)?.to_owned())
}

/// Creates what is missing of `path`; returns the directories that were made.
pub(super) fn create_dir_all(root: &Dir, path: &Path, mode: u32) -> Result<Vec<PathBuf>> {
    let mut made = Vec::new();
    let mut walk = Walk { above: Vec::new(), todo: names_of(path), links: 0 };
    while let Some(name) = walk.todo.pop() {
        if name == ".." {
            walk.above.pop();
            continue;
        }
        let here = walk.above.last().map_or(root, |(_, dir)| dir);
        let next = match here.open_dir(&name) {
            Ok(dir) => dir,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let new = make_dir(here, &name, mode).map_err(Error::io("create the directory", path))?;
                made.push(walk.path_of(&name));
                new
            }
            Err(error) => {
                let target = link_target(here, &name, error).map_err(Error::io("create the directory", path))?;
                walk.follow(&target).map_err(Error::io("create the directory", path))?;
                continue;
            }
        };
        walk.above.push((name, next));
    }
    Ok(made)
}

/// A path that is walked name by name: the directories entered so far, and the names to come, last first.
struct Walk {
    above: Vec<(OsString, Dir)>,
    todo: Vec<OsString>,
    links: usize,
}

impl Walk {
    fn path_of(&self, name: &OsStr) -> PathBuf {
        self.above.iter().map(|(name, _)| name.as_os_str()).chain([name]).collect()
    }

    fn follow(&mut self, target: &Path) -> io::Result<()> {
        self.links += 1;
        if self.links > MAX_LINKS {
            return Err(Errno::LOOP.into());
        }
        if target.is_absolute() {
            self.above.clear();
        }
        self.todo.extend(names_of(target));
        Ok(())
    }
}

fn make_dir(here: &Dir, name: &OsStr, mode: u32) -> io::Result<Dir> {
    here.create_dir(name, mode)?;
    // Once more, as the umask took part of the mode.
    here.set_mode(name, mode)?;
    here.open_dir(name)
}

/// What the link `name` points to, when opening `name` as a directory failed with `error`.
fn link_target(here: &Dir, name: &OsStr, error: io::Error) -> io::Result<PathBuf> {
    match here.stat(name)?.kind {
        FileKind::Symlink => Ok(PathBuf::from(OsString::from_vec(here.read_link(name)?))),
        _ => Err(error),
    }
}

/// The names of a path in reverse order.
fn names_of(path: &Path) -> Vec<OsString> {
    let name = |component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some(OsString::from("..")),
        _ => None,
    };
    let mut names: Vec<_> = path.components().filter_map(name).collect();
    names.reverse();
    names
}

fn openat2(root: &Dir, path: &Path, flags: OFlags) -> Result<OwnedFd> {
    let relative = if path.as_os_str().as_bytes().is_empty() { Path::new(".") } else { path };
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    loop {
        match rustix::fs::openat2(root, relative, flags | OFlags::CLOEXEC, Mode::empty(), resolve) {
            // The kernel saw a rename somewhere while it followed `..`, and asks to try again.
            Err(Errno::AGAIN) => {}
            Err(Errno::NOSYS) => return Err(Error::NoSafePaths),
            other => return other.map_err(Error::io("open", path)),
        }
    }
}
