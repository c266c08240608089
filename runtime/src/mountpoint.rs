//! Mount points inside a root: found, made where missing, and taken away again after the run.
//!
//! A root is untrusted, so its paths are walked one component at a time through directory handles, with symbolic
//! links read and followed here, inside the root. What is made here must not show in an image layer: after the run
//! [`Stubs::remove`] takes it away if it is still empty, and the times of the directory it was in stay as they were.
//! Nothing else may change the tree during [`prepare`].

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{self, AtFlags, FileType, Mode, OFlags, Stat, Timespec, Timestamps};
use rustix::io::Errno;

use crate::step::NodeKind;

/// As many links as the kernel follows.
const MOST_LINKS: usize = 40;

/// A mount point that was made for one run.
#[derive(Debug)]
struct Stub {
    parent: OwnedFd,
    name: OsString,
    kind: NodeKind,
}

impl Stub {
    /// Removes it, unless the program put something there.
    fn remove(&self) -> io::Result<()> {
        let found = match fs::statat(&self.parent, &self.name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => return Ok(()),
            Err(errno) => return Err(errno.into()),
        };
        let flags = match (self.kind, FileType::from_raw_mode(found.st_mode)) {
            (NodeKind::Directory, FileType::Directory) => AtFlags::REMOVEDIR,
            (NodeKind::File, FileType::RegularFile) if found.st_size == 0 => AtFlags::empty(),
            _ => return Ok(()),
        };
        let times = times_of(&self.parent)?;
        match fs::unlinkat(&self.parent, &self.name, flags) {
            Ok(()) => Ok(set_times(&self.parent, &times)?),
            Err(Errno::NOTEMPTY) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }
}

/// Mount points to remove after the run, or when there is none, in the order in which they were made.
#[derive(Debug, Default)]
pub(crate) struct Stubs(Vec<Stub>);

impl Stubs {
    /// Removes all, the last first; the first failure is told.
    pub(crate) fn remove(&mut self) -> io::Result<()> {
        std::mem::take(&mut self.0).iter().rev().map(Stub::remove).fold(Ok(()), io::Result::and)
    }

    /// Lets what was made stay.
    pub(crate) fn keep(mut self) {
        self.0.clear();
    }
}

impl Drop for Stubs {
    fn drop(&mut self) {
        let _ = self.remove();
    }
}

/// Walks `target` under `root` and makes what is missing, up to where an earlier mount of `covered` begins: what lies
/// below that does not exist yet. Gives its absolute path in the root, free of links as far as the root itself goes.
pub(crate) fn prepare(
    root: BorrowedFd<'_>,
    (target, kind): (&Path, NodeKind),
    covered: &[PathBuf],
    stubs: &mut Stubs,
) -> io::Result<PathBuf> {
    let mut walk = Walk { trail: vec![(OsString::new(), root.try_clone_to_owned()?)], stubs };
    let mut ahead: VecDeque<OsString> = components(target);
    let mut links = 0;
    while let Some(name) = ahead.pop_front() {
        if name == ".." {
            walk.up();
            continue;
        }
        let path = walk.path().join(&name);
        if covered.iter().any(|mount| path.starts_with(mount)) {
            return Ok(ahead.iter().fold(path, |path, name| path.join(name)));
        }
        let wanted = if ahead.is_empty() { kind } else { NodeKind::Directory };
        if let Some(link) = walk.enter(name, wanted)? {
            links += 1;
            if links > MOST_LINKS {
                return Err(Errno::LOOP.into());
            }
            if link.is_absolute() {
                walk.trail.truncate(1);
            }
            components(&link).into_iter().rev().for_each(|name| ahead.push_front(name));
        }
    }
    Ok(walk.path())
}

fn components(path: &Path) -> VecDeque<OsString> {
    let named = path.components().filter(|part| matches!(part, Component::Normal(_) | Component::ParentDir));
    named.map(|part| part.as_os_str().to_owned()).collect()
}

/// The directories from the root to where a walk stands.
struct Walk<'a> {
    trail: Vec<(OsString, OwnedFd)>,
    stubs: &'a mut Stubs,
}

impl Walk<'_> {
    fn path(&self) -> PathBuf {
        self.trail.iter().fold(PathBuf::from("/"), |path, (name, _)| path.join(name))
    }

    fn up(&mut self) {
        if self.trail.len() > 1 {
            self.trail.pop();
        }
    }

    /// Steps into `name`, made when missing; gives the target when it is a link instead.
    fn enter(&mut self, name: OsString, wanted: NodeKind) -> io::Result<Option<PathBuf>> {
        let here = self.here();
        let entry = match open_entry(here, &name) {
            Err(Errno::NOENT) => {
                let stub = make(here, &name, wanted)?;
                self.stubs.0.push(stub);
                open_entry(self.here(), &name)?
            }
            other => other?,
        };
        match FileType::from_raw_mode(fs::fstat(&entry)?.st_mode) {
            FileType::Symlink => {
                let target = fs::readlinkat(&entry, "", Vec::new())?;
                Ok(Some(PathBuf::from(OsString::from_vec(target.into_bytes()))))
            }
            FileType::Directory if wanted == NodeKind::File => Err(Errno::ISDIR.into()),
            FileType::Directory => {
                self.trail.push((name, entry));
                Ok(None)
            }
            _ if wanted == NodeKind::Directory => Err(Errno::NOTDIR.into()),
            _ => {
                self.trail.push((name, entry));
                Ok(None)
            }
        }
    }

    fn here(&self) -> BorrowedFd<'_> {
        self.trail[self.trail.len() - 1].1.as_fd()
    }
}

fn open_entry(directory: BorrowedFd<'_>, name: &OsStr) -> Result<OwnedFd, Errno> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    fs::openat(directory, name.as_bytes(), flags, Mode::empty())
}

fn make(directory: BorrowedFd<'_>, name: &OsStr, kind: NodeKind) -> io::Result<Stub> {
    let times = times_of(directory)?;
    match kind {
        NodeKind::Directory => fs::mkdirat(directory, name.as_bytes(), Mode::from_raw_mode(0o755))?,
        NodeKind::File => {
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
            drop(fs::openat(directory, name.as_bytes(), flags, Mode::from_raw_mode(0o644))?);
        }
    }
    set_times(directory, &times)?;
    Ok(Stub { parent: directory.try_clone_to_owned()?, name: name.to_owned(), kind })
}

fn times_of(directory: impl AsFd) -> Result<Timestamps, Errno> {
    let Stat { st_atime, st_atime_nsec, st_mtime, st_mtime_nsec, .. } = fs::fstat(directory)?;
    Ok(Timestamps {
        last_access: Timespec { tv_sec: st_atime as _, tv_nsec: st_atime_nsec as _ },
        last_modification: Timespec { tv_sec: st_mtime as _, tv_nsec: st_mtime_nsec as _ },
    })
}

fn set_times(directory: impl AsFd, times: &Timestamps) -> Result<(), Errno> {
    fs::utimensat(directory, ".", times, AtFlags::empty())
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::os::fd::AsFd;
    use std::os::unix::fs::symlink;
    use std::path::{Path, PathBuf};
    use std::time::{Duration, UNIX_EPOCH};

    use super::{Stubs, prepare};
    use crate::step::NodeKind;

    fn root() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path();
        fs::create_dir_all(path.join("etc/deep")).unwrap();
        fs::create_dir_all(path.join("run")).unwrap();
        symlink("../run/stub/resolv.conf", path.join("etc/resolv.conf")).unwrap();
        symlink("/etc/deep", path.join("absolute")).unwrap();
        symlink("../../../..", path.join("etc/escape")).unwrap();
        symlink("loop", path.join("loop")).unwrap();
        dir
    }

    fn prepared(dir: &Path, target: &str, kind: NodeKind) -> std::io::Result<(String, usize)> {
        let root = File::open(dir).unwrap();
        let mut stubs = Stubs::default();
        let path = prepare(root.as_fd(), (Path::new(target), kind), &[PathBuf::from("/dev")], &mut stubs)?;
        Ok((path.display().to_string(), stubs.0.len()))
    }

    #[test]
    fn targets_are_walked_inside_the_root() {
        let cases = [
            ("/", NodeKind::Directory, "/", 0),
            ("/proc", NodeKind::Directory, "/proc", 1),
            ("/etc/resolv.conf", NodeKind::File, "/run/stub/resolv.conf", 2),
            ("/absolute/x", NodeKind::File, "/etc/deep/x", 1),
            ("/etc/escape/etc/deep", NodeKind::Directory, "/etc/deep", 0),
            ("/../../a/./b/../c", NodeKind::Directory, "/a/c", 3),
            ("/dev/pts/0", NodeKind::Directory, "/dev/pts/0", 0),
        ];
        for (target, kind, path, stubs) in cases {
            assert_eq!(prepared(root().path(), target, kind).unwrap(), (path.to_owned(), stubs), "{target}");
        }
    }

    #[test]
    fn targets_that_cannot_be_are_errors() {
        let dir = root();
        fs::write(dir.path().join("file"), "").unwrap();
        for (target, kind) in [
            ("/loop", NodeKind::Directory),
            ("/file/x", NodeKind::Directory),
            ("/file", NodeKind::Directory),
            ("/etc", NodeKind::File),
        ] {
            assert!(prepared(dir.path(), target, kind).is_err(), "{target}");
        }
    }

    #[test]
    fn stubs_leave_no_trace_and_the_programs_files_stay() {
        let dir = root();
        let old = UNIX_EPOCH + Duration::from_secs(1_000_000);
        let set_old = |path: &str| File::open(dir.path().join(path)).unwrap().set_modified(old).unwrap();
        ["etc", ""].into_iter().for_each(set_old);
        let root = File::open(dir.path()).unwrap();
        let targets = [("/etc/hosts", NodeKind::File), ("/a/b", NodeKind::Directory), ("/kept", NodeKind::Directory)];
        let mut stubs = Stubs::default();
        for (target, kind) in targets {
            prepare(root.as_fd(), (Path::new(target), kind), &[], &mut stubs).unwrap();
        }
        assert!(dir.path().join("etc/hosts").exists() && dir.path().join("a/b").exists());
        fs::write(dir.path().join("kept/file"), "").unwrap();
        stubs.remove().unwrap();
        assert!(!dir.path().join("etc/hosts").exists() && !dir.path().join("a").exists());
        assert!(dir.path().join("kept/file").exists());
        for path in ["etc", ""] {
            assert_eq!(fs::metadata(dir.path().join(path)).unwrap().modified().unwrap(), old, "{path}");
        }
    }
}
