//! A writable tree without any mount: a copy of the merged layers, and what changed in it since.
//!
//! A change shows in the inode number or in the time of the inode's last change, which the kernel alone sets. What
//! changed is then compared with the layers, so that the layer is the same as an overlay gives (`settle.rs`).

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::compare::{is_same_directory, is_unchanged};
use super::links::Links;
use super::merged::MergedDir;
use crate::root::{
    Dir, FileId, FileKind, Metadata, Root, Timestamp, Xattr, copy_data, is_portable_xattr, timestamps, xattr,
};
use crate::{Error, Result};

/// The files of a copied tree as they were when it was made: path, inode and time of the last change.
#[derive(Debug, Default)]
pub(super) struct Baseline(HashMap<PathBuf, (FileId, Timestamp)>);

/// Copies the merged tree into the empty directory `tree`, to be changed: hard links become separate files, as a change
/// of one of them leaves the others alone in an overlay too.
pub(super) fn copy_tree(from: &MergedDir, tree: &Root) -> Result<Baseline> {
    let mut copier = Copier { baseline: Baseline::default(), path: PathBuf::new(), links: None };
    copier.copy_directory(from, tree.dir())?;
    wait_for_next_tick(&copier.baseline);
    Ok(copier.baseline)
}

/// Copies the merged tree into the empty directory `tree`, to be read: hard links stay such.
pub(super) fn copy_view(from: &MergedDir, tree: &Root) -> Result<()> {
    let links = Some(FirstNames { tree, names: HashMap::new() });
    Copier { baseline: Baseline::default(), path: PathBuf::new(), links }.copy_directory(from, tree.dir())
}

/// Gives the new or empty directory `dir` the attributes of the merged directory, the time included.
pub(super) fn copy_directory_attributes(from: &MergedDir, dir: &Dir) -> io::Result<()> {
    if let Some(metadata) = from.stat_self()? {
        set_attributes(dir, OsStr::new("."), &metadata, from.xattrs_self()?)?;
    }
    Ok(())
}

struct Copier<'a> {
    baseline: Baseline,
    path: PathBuf,
    /// Where hard links are kept.
    links: Option<FirstNames<'a>>,
}

/// The first name that each file with several got in the copy.
struct FirstNames<'a> {
    tree: &'a Root,
    names: HashMap<FileId, PathBuf>,
}

impl FirstNames<'_> {
    /// Makes `path` a link if the file was copied under another name.
    fn link(&mut self, path: &Path, metadata: &Metadata) -> Result<bool> {
        if metadata.links < 2 {
            return Ok(false);
        }
        let Some(first) = self.names.get(&metadata.id) else {
            self.names.insert(metadata.id, path.to_owned());
            return Ok(false);
        };
        self.tree.hard_link(first, path).map(|()| true)
    }
}

impl Copier<'_> {
    fn copy_directory(&mut self, from: &MergedDir, to: &Dir) -> Result<()> {
        for name in from.names().map_err(copy_error(&self.path))? {
            self.path.push(&name);
            self.copy_name(from, to, &name)?;
            self.path.pop();
        }
        // Last, as each new name changes the time.
        copy_directory_attributes(from, to).map_err(copy_error(&self.path))
    }

    fn copy_name(&mut self, from: &MergedDir, to: &Dir, name: &OsStr) -> Result<()> {
        let Some(metadata) = from.stat(name).map_err(copy_error(&self.path))? else { return Ok(()) };
        if metadata.kind == FileKind::Directory {
            let open = || -> io::Result<(MergedDir, Dir)> {
                to.create_dir(name, 0o700)?;
                Ok((from.open_dir(name)?, to.open_dir(name)?))
            };
            let (from, to) = open().map_err(copy_error(&self.path))?;
            return self.copy_directory(&from, &to);
        }
        if let Some(links) = &mut self.links
            && links.link(&self.path, &metadata)?
        {
            return Ok(());
        }
        copy_file(from, to, name, &metadata).map_err(copy_error(&self.path))?;
        let copied = to.stat(name).map_err(copy_error(&self.path))?;
        self.baseline.0.insert(self.path.clone(), (copied.id, copied.ctime));
        Ok(())
    }
}

/// Copies anything but a directory.
fn copy_file(from: &MergedDir, to: &Dir, name: &OsStr, metadata: &Metadata) -> io::Result<()> {
    match metadata.kind {
        FileKind::Regular => {
            let mut target = to.create_file(name, 0o600)?;
            copy_data(&mut from.open_file(name)?, &mut target)?;
            to.set_owner(name, metadata.uid, metadata.gid)?;
            rustix::fs::fchmod(&target, rustix::fs::Mode::from_raw_mode(metadata.mode))?;
            for (attribute, value) in from.xattrs(name)?.iter().filter(|(name, _)| is_portable_xattr(name)) {
                xattr::set_of(&target, attribute, value)?;
            }
            return Ok(rustix::fs::futimens(&target, &timestamps(metadata.mtime))?);
        }
        FileKind::Symlink => to.symlink(name, &from.read_link(name)?)?,
        kind => to.mknod(name, kind, metadata.mode)?,
    }
    set_attributes(to, name, metadata, from.xattrs(name)?)
}

fn set_attributes(to: &Dir, name: &OsStr, metadata: &Metadata, xattrs: Vec<Xattr>) -> io::Result<()> {
    to.set_owner(name, metadata.uid, metadata.gid)?;
    if metadata.kind != FileKind::Symlink {
        to.set_mode(name, metadata.mode)?;
    }
    for (attribute, value) in xattrs.iter().filter(|(name, _)| is_portable_xattr(name)) {
        to.set_xattr(name, attribute, value)?;
    }
    to.set_mtime(name, metadata.mtime)
}

/// Kernels stamp changes with the time of the last timer tick: a change within the tick of the copy would not show.
fn wait_for_next_tick(baseline: &Baseline) {
    const TICK: Duration = Duration::from_millis(15);
    if !baseline.0.is_empty() {
        std::thread::sleep(TICK);
    }
}

/// Moves what changed in `tree` since `baseline`, compared with the layers `below`, into the empty directory `layer`.
pub(super) fn extract_changes(tree: &Dir, changes: Changes<'_>) -> Result<()> {
    let mut extractor = Extractor { baseline: changes.baseline, links: Links::default(), path: PathBuf::new() };
    extractor.note_links(tree, Some(changes.below))?;
    extractor.extract_directory(tree, changes.below, changes.layer)
}

/// What a copied tree is compared with, and where its changes go.
pub(super) struct Changes<'a> {
    pub(super) baseline: &'a Baseline,
    pub(super) below: &'a MergedDir,
    pub(super) layer: &'a Dir,
}

struct Extractor<'a> {
    baseline: &'a Baseline,
    links: Links,
    path: PathBuf,
}

impl Extractor<'_> {
    /// Finds the files with several names, all of which must be known before the first is moved.
    fn note_links(&mut self, tree: &Dir, below: Option<&MergedDir>) -> Result<()> {
        for name in tree.names().map_err(commit_error(&self.path))? {
            self.path.push(&name);
            let metadata = tree.stat(&name).map_err(commit_error(&self.path))?;
            if metadata.kind == FileKind::Directory {
                let inner = tree.open_dir(&name).map_err(commit_error(&self.path))?;
                let below = below.map(|below| below.open_dir(&name)).transpose().map_err(commit_error(&self.path))?;
                self.note_links(&inner, below.as_ref())?;
            } else if metadata.links > 1 {
                let unchanged = below.map_or(Ok(false), |below| self.is_unchanged(tree, below, &name));
                self.links.note(&metadata, unchanged.map_err(commit_error(&self.path))?);
            }
            self.path.pop();
        }
        Ok(())
    }

    fn extract_directory(&mut self, tree: &Dir, below: &MergedDir, layer: &Dir) -> Result<()> {
        let names = tree.names().map_err(commit_error(&self.path))?;
        for name in &names {
            self.path.push(name);
            self.extract_name(tree, below, (name, layer))?;
            self.path.pop();
        }
        let hidden = |name: &OsString| names.binary_search(name).is_err();
        let hide = || -> io::Result<()> {
            below.names()?.iter().filter(|name| hidden(name)).try_for_each(|name| layer.whiteout(name))
        };
        hide().map_err(commit_error(&self.path))
    }

    fn extract_name(&mut self, tree: &Dir, below: &MergedDir, (name, layer): (&OsStr, &Dir)) -> Result<()> {
        let metadata = tree.stat(name).map_err(commit_error(&self.path))?;
        let there = below.stat(name).map_err(commit_error(&self.path))?;
        if metadata.kind == FileKind::Directory && there.is_some_and(|there| there.kind == FileKind::Directory) {
            return self.extract_subdirectory(tree, below, (name, layer));
        }
        let extract = || -> io::Result<()> {
            let may_stay = metadata.kind != FileKind::Directory && self.is_unchanged(tree, below, name)?;
            if may_stay && (metadata.links < 2 || !self.links.is_kept(&metadata)) {
                return Ok(());
            }
            move_name(tree, name, layer)
        };
        extract().map_err(commit_error(&self.path))
    }

    /// A directory that is in the layers too: it is made in the layer, and taken back if it says nothing.
    fn extract_subdirectory(&mut self, tree: &Dir, below: &MergedDir, (name, layer): (&OsStr, &Dir)) -> Result<()> {
        let open = || -> io::Result<(Dir, MergedDir, Dir, Metadata)> {
            layer.create_dir(name, 0o700)?;
            let inner = tree.open_dir(name)?;
            let before = inner.stat(OsStr::new("."))?;
            Ok((inner, below.open_dir(name)?, layer.open_dir(name)?, before))
        };
        let (inner, inner_below, made, before) = open().map_err(commit_error(&self.path))?;
        self.extract_directory(&inner, &inner_below, &made)?;
        let finish = || -> io::Result<()> {
            if made.names()?.is_empty() && is_same_directory(&before, &inner, &inner_below)? {
                return layer.remove(name);
            }
            set_attributes(&made, OsStr::new("."), &before, inner.xattrs(OsStr::new("."))?)
        };
        finish().map_err(commit_error(&self.path))
    }

    fn is_unchanged(&self, tree: &Dir, below: &MergedDir, name: &OsStr) -> io::Result<bool> {
        let now = tree.stat(name)?;
        let untouched = self.baseline.0.get(&self.path) == Some(&(now.id, now.ctime));
        Ok(untouched || is_unchanged(tree, name, below)?)
    }
}

/// Moves a file or a whole directory; nothing is copied, and links stay links. Owners recorded in the directory go along.
fn move_name(tree: &Dir, name: &OsStr, layer: &Dir) -> io::Result<()> {
    let owner = tree.stat(name)?;
    tree.rename(name, layer, name)?;
    if tree.keeps_owners_on_disk() { Ok(()) } else { layer.set_owner(name, owner.uid, owner.gid) }
}

fn copy_error(path: &Path) -> impl FnOnce(io::Error) -> Error + use<> {
    Error::io("copy", &Path::new("/").join(path))
}

fn commit_error(path: &Path) -> impl FnOnce(io::Error) -> Error + use<> {
    Error::io("commit", &Path::new("/").join(path))
}
