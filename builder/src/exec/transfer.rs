//! Copies one match of a source, entry by entry: directories first, then files by several threads, then hard links,
//! and the directories' metadata last, as making files in them changes their times.

use std::collections::HashMap;
use std::fs::{File, FileTimes};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use dhow_layer_store::{FileId, FileKind, Metadata, Ownership, Root, Timestamp, copy_data};
use rustix::io::Errno;

use crate::context::{Entry, Match, Presence, SourceTree};
use crate::error::{BuildError, Result};
use crate::exec::place::Landing;

/// How many neighbouring files a thread takes at a time: enough to open a directory once for many of them.
const BATCH: usize = 64;

/// One match on its way to `target`.
pub(crate) struct Transfer<'a> {
    pub(crate) landing: &'a Landing<'a>,
    pub(crate) tree: &'a SourceTree<'a>,
    pub(crate) found: &'a Match,
    /// Path in the image without links.
    pub(crate) target: &'a Path,
}

/// What became of a directory.
struct Placed<'a> {
    entry: &'a Entry,
    target: PathBuf,
    is_new: bool,
}

/// The source's and the image's directory that a thread works in.
struct Open {
    parent: PathBuf,
    from: Root,
    to: Root,
}

impl<'a> Transfer<'a> {
    /// Copies everything.
    pub(crate) fn run(&self) -> Result<()> {
        let directories = self.directories()?;
        let (files, links) = self.files_and_links();
        self.copy_files(&files)?;
        for (entry, first) in links {
            let (first, target) = (self.target_of(first), self.target_of(&entry.path));
            self.clear(&target)?;
            self.landing.root.hard_link(&first, &target)?;
        }
        for placed in directories.iter().rev() {
            self.finish_directory(placed)?;
        }
        Ok(())
    }

    fn target_of(&self, path: &Path) -> PathBuf {
        if path.as_os_str().is_empty() { self.target.to_owned() } else { self.target.join(path) }
    }

    fn directories(&self) -> Result<Vec<Placed<'a>>> {
        let mut placed = Vec::new();
        for entry in self.found.entries.iter().filter(|entry| entry.metadata.kind == FileKind::Directory) {
            self.landing.cancel.check()?;
            let target = self.target_of(&entry.path);
            let is_new = match self.landing.root.stat(&target)? {
                None => {
                    self.landing.root.create_dir(&target, 0o700)?;
                    true
                }
                Some(existing) if existing.kind == FileKind::Directory => false,
                Some(_) => return Err(conflict("a directory", "a file", &target)),
            };
            placed.push(Placed { entry, target, is_new });
        }
        Ok(placed)
    }

    /// Everything but directories: the files to copy, and further names of one that is copied.
    fn files_and_links(&self) -> (Vec<&'a Entry>, Vec<(&'a Entry, &'a Path)>) {
        let mut first_names: HashMap<FileId, &Path> = HashMap::new();
        let (mut files, mut links) = (Vec::new(), Vec::new());
        for entry in self.found.entries.iter().filter(|entry| entry.metadata.kind != FileKind::Directory) {
            let has_links = entry.metadata.kind == FileKind::Regular && entry.metadata.links > 1;
            match first_names.get(&entry.metadata.id).filter(|_| has_links) {
                Some(first) => links.push((entry, *first)),
                None => {
                    first_names.insert(entry.metadata.id, &entry.path);
                    files.push(entry);
                }
            }
        }
        (files, links)
    }

    fn copy_files(&self, files: &[&Entry]) -> Result<()> {
        let next = AtomicUsize::new(0);
        let work = || -> Result<()> {
            let mut open = None;
            loop {
                self.landing.cancel.check()?;
                let start = next.fetch_add(BATCH, Ordering::Relaxed);
                if start >= files.len() {
                    return Ok(());
                }
                for entry in &files[start..files.len().min(start + BATCH)] {
                    self.copy_file(entry, &mut open)?;
                }
            }
        };
        let threads = self.landing.threads.min(files.len() / BATCH + 1);
        std::thread::scope(|scope| {
            let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
            let first = work();
            let rest =
                others.into_iter().map(|other| other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
            rest.fold(first, |result, next| result.and(next))
        })
    }

    fn copy_file(&self, entry: &Entry, open: &mut Option<Open>) -> Result<()> {
        let target = self.target_of(&entry.path);
        let real = self.found.real_path(entry);
        let parent = target.parent().unwrap_or(Path::new(""));
        if open.as_ref().is_none_or(|open| open.parent != parent) {
            let from = self.tree.root.open_root(real.parent().unwrap_or(Path::new("")))?;
            *open = Some(Open { parent: parent.to_owned(), from, to: self.landing.root.open_root(parent)? });
        }
        let (Some(open), Some(from), Some(to)) = (open, real.file_name(), target.file_name()) else {
            return Err(conflict("a file", "a directory", &target));
        };
        let (from, to) = (Path::new(from), Path::new(to));
        if self.landing.is_kept(entry, (&open.to, to))? {
            return Ok(());
        }
        match entry.metadata.kind {
            FileKind::Regular => self.copy_regular(entry, (&open.from, from), (&open.to, to)),
            _ => self.copy_special(entry, (&open.from, from), (&open.to, to)),
        }
        .map_err(|error| located(error, &target))
    }

    fn copy_regular(&self, entry: &Entry, from: (&Root, &Path), to: (&Root, &Path)) -> Result<()> {
        let mut source = from.0.open_file(from.1)?;
        let mut copy = match to.0.create_file(to.1, 0o600) {
            Err(error) if is_existing(&error) => {
                clear(to.0, to.1)?;
                to.0.create_file(to.1, 0o600)?
            }
            other => other?,
        };
        copy_data(&mut source, &mut copy).map_err(BuildError::io("copy", from.1))?;
        self.set_owner(to, &entry.metadata, &copy)?;
        let mode = self.landing.mode_of(&entry.metadata);
        rustix::fs::fchmod(&copy, rustix::fs::Mode::from_raw_mode(mode))
            .map_err(BuildError::io("change the mode of", to.1))?;
        if has_xattrs(&source) {
            copy_xattrs(from, to)?;
        }
        let time = system_time(entry.metadata.mtime);
        let times = FileTimes::new().set_accessed(time).set_modified(time);
        copy.set_times(times).map_err(BuildError::io("change the times of", to.1))
    }

    /// By the descriptor where owners are on disk, which is quicker.
    fn set_owner(&self, (root, path): (&Root, &Path), metadata: &Metadata, file: &File) -> Result<()> {
        let (uid, gid) = self.landing.owner_of(metadata);
        if root.ownership() == Ownership::OnDisk {
            return std::os::unix::fs::fchown(file, Some(uid), Some(gid))
                .map_err(BuildError::io("change the owner of", path));
        }
        Ok(root.set_owner(path, uid, gid)?)
    }

    /// Symbolic links, devices and pipes.
    fn copy_special(&self, entry: &Entry, from: (&Root, &Path), to: (&Root, &Path)) -> Result<()> {
        clear(to.0, to.1)?;
        match &entry.target {
            Some(target) => to.0.symlink(target, to.1)?,
            None => to.0.mknod(to.1, entry.metadata.kind, 0o600)?,
        }
        let (uid, gid) = self.landing.owner_of(&entry.metadata);
        to.0.set_owner(to.1, uid, gid)?;
        if entry.target.is_none() {
            to.0.set_mode(to.1, self.landing.mode_of(&entry.metadata))?;
        }
        copy_xattrs(from, to)?;
        Ok(to.0.set_mtime(to.1, entry.metadata.mtime)?)
    }

    /// The destination itself keeps its metadata but for the time; directories below take their source's.
    fn finish_directory(&self, placed: &Placed<'_>) -> Result<()> {
        let (entry, target) = (placed.entry, &placed.target);
        let is_top = entry.path.as_os_str().is_empty();
        if !is_top && self.landing.is_kept(entry, (self.landing.root, target))? {
            return Ok(());
        }
        if !is_top && (placed.is_new || entry.presence == Presence::Selected) {
            let (uid, gid) = self.landing.owner_of(&entry.metadata);
            self.landing.root.set_owner(target, uid, gid)?;
            self.landing.root.set_mode(target, self.landing.mode_of(&entry.metadata))?;
            copy_xattrs((self.tree.root, &self.found.real_path(entry)), (self.landing.root, target))?;
        } else if !is_top {
            return Ok(());
        }
        Ok(self.landing.root.set_mtime(target, entry.metadata.mtime)?)
    }

    fn clear(&self, target: &Path) -> Result<()> {
        clear(self.landing.root, target).map_err(|error| located(error, target))
    }
}

/// Removes what is at `path`; a directory stays, and is an error.
fn clear(root: &Root, path: &Path) -> Result<()> {
    match root.stat(path)? {
        None => Ok(()),
        Some(existing) if existing.kind == FileKind::Directory => Err(conflict("a file", "a directory", path)),
        Some(_) => Ok(root.remove_all(path)?),
    }
}

fn conflict(what: &'static str, existing: &'static str, path: &Path) -> BuildError {
    BuildError::CopyConflict { what, existing, path: Path::new("/").join(path) }
}

/// An error about a name in a directory, with the whole path.
fn located(error: BuildError, target: &Path) -> BuildError {
    match error {
        BuildError::CopyConflict { what, existing, .. } => conflict(what, existing, target),
        BuildError::Io { action, source, .. } => BuildError::Io { action, path: Path::new("/").join(target), source },
        error => error,
    }
}

fn is_existing(error: &dhow_layer_store::Error) -> bool {
    use std::io::ErrorKind::{AlreadyExists, IsADirectory};
    matches!(error, dhow_layer_store::Error::Io { source, .. } if matches!(source.kind(), AlreadyExists | IsADirectory))
}

fn has_xattrs(file: &File) -> bool {
    let mut names = [0; 256];
    !matches!(rustix::fs::flistxattr(file, &mut names[..]), Ok(0) | Err(Errno::OPNOTSUPP))
}

/// Copies the extended attributes; those that the image's file system or the rights here do not allow are left out,
/// as in the reference.
fn copy_xattrs(from: (&Root, &Path), to: (&Root, &Path)) -> Result<()> {
    for (name, value) in from.0.xattrs(from.1)? {
        let _ = to.0.set_xattr(to.1, &name, &value);
    }
    Ok(())
}

fn system_time(time: Timestamp) -> SystemTime {
    let nanoseconds = Duration::from_nanos(u64::from(time.nanoseconds));
    match u64::try_from(time.seconds) {
        Ok(seconds) => UNIX_EPOCH + Duration::from_secs(seconds) + nanoseconds,
        Err(_) => UNIX_EPOCH - Duration::from_secs(time.seconds.unsigned_abs()) + nanoseconds,
    }
}
