//! A writable tree on plain directories, in either of its two forms; the store's side is in `mod.rs`.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use super::copy::{self, Baseline, Changes};
use super::merged::MergedDir;
use super::overlay::{self, Durability, Upper};
use super::{SnapshotRootfs, SnapshotterChoice};
use crate::root::{Dir, Ownership, Root};
use crate::{Error, Result};

/// Where a writable tree keeps what it needs: directories that are made below one that exists.
#[derive(Debug, Clone)]
pub(super) struct TreeDirs {
    /// The upper directory, or the copied tree.
    pub(super) fs: PathBuf,
    work: PathBuf,
    empty: PathBuf,
    /// A directory that an overlay shows below all layers.
    beneath: Option<PathBuf>,
}

impl TreeDirs {
    /// The names that may be there.
    pub(super) const NAMES: [&str; 3] = ["tree", "work", "empty"];

    pub(super) fn new(directory: &Path) -> Self {
        let [fs, work, empty] = Self::NAMES.map(|name| directory.join(name));
        Self { fs, work, empty, beneath: None }
    }

    /// The same, with `beneath` below all layers of an overlay.
    pub(super) fn on(self, beneath: PathBuf) -> Self {
        Self { beneath: Some(beneath), ..self }
    }
}

/// How a tree is made.
#[derive(Debug, Clone, Copy)]
pub(super) struct TreeOptions {
    pub(super) ownership: Ownership,
    pub(super) choice: SnapshotterChoice,
    pub(super) durability: Durability,
}

/// The layers of a tree, its two forms, and its root.
#[derive(Debug)]
pub(super) struct WritableTree {
    lowers: Vec<PathBuf>,
    dirs: TreeDirs,
    form: Form,
    root: Root,
}

#[derive(Debug)]
enum Form {
    Overlay { mount: OwnedFd },
    Copy { baseline: Baseline },
}

impl WritableTree {
    /// Makes a tree on the unpacked layers `lowers`, lowest first.
    pub(super) fn create(lowers: Vec<PathBuf>, dirs: TreeDirs, options: TreeOptions) -> Result<Self> {
        make_dir(&dirs.fs)?;
        let fs = open_owned(&dirs.fs, options.ownership)?;
        if options.choice != SnapshotterChoice::Copy {
            // Of directories, the highest layer says all.
            let top = MergedDir::open(&lowers[lowers.len().saturating_sub(1)..], options.ownership)?;
            copy::copy_directory_attributes(&top, fs.dir()).map_err(Error::io("prepare", &dirs.fs))?;
            match mount(&lowers, &dirs, options.durability) {
                Ok(mount) => return Self::on_mount(lowers, dirs, (mount, options.ownership)),
                Err(Error::Mount { .. }) if options.choice == SnapshotterChoice::Automatic => remove_dir(&dirs.work)?,
                Err(error) => return Err(error),
            }
        }
        let baseline = copy::copy_tree(&MergedDir::open(&lowers, options.ownership)?, &fs)?;
        Ok(Self { lowers, dirs, form: Form::Copy { baseline }, root: fs })
    }

    /// Takes up a tree again that was made in `dirs` before and has been left. It cannot be finished then.
    pub(super) fn reopen(lowers: Vec<PathBuf>, dirs: TreeDirs, options: TreeOptions) -> Result<Self> {
        if dirs.work.is_dir() {
            let mount = mount(&lowers, &dirs, options.durability)?;
            return Self::on_mount(lowers, dirs, (mount, options.ownership));
        }
        let root = open_owned(&dirs.fs, options.ownership)?;
        Ok(Self { lowers, dirs, form: Form::Copy { baseline: Baseline::default() }, root })
    }

    fn on_mount(lowers: Vec<PathBuf>, dirs: TreeDirs, (mount, ownership): (OwnedFd, Ownership)) -> Result<Self> {
        let root = Root::from_fd(overlay::open_root(&mount).map_err(Error::io("open", &dirs.fs))?);
        let root = root.with_ownership(ownership).map_err(Error::io("open", &dirs.fs))?;
        Ok(Self { lowers, dirs, form: Form::Overlay { mount }, root })
    }

    pub(super) fn root(&self) -> &Root {
        &self.root
    }

    pub(super) fn rootfs(&self) -> Result<SnapshotRootfs> {
        match &self.form {
            Form::Overlay { mount } => {
                let clone = overlay::clone_mount(mount).map_err(Error::io("clone the mount of", &self.dirs.fs))?;
                Ok(SnapshotRootfs::Mount(clone))
            }
            Form::Copy { .. } => Ok(SnapshotRootfs::Dir(self.dirs.fs.clone())),
        }
    }

    /// Ends the tree and makes the directory `layer` of what changed in it. Nothing may use the tree any more.
    pub(super) fn finish(self, layer: &Path) -> Result<()> {
        let ownership = self.root.ownership();
        drop(self.root);
        let below = MergedDir::open(&self.lowers, ownership)?;
        match self.form {
            Form::Overlay { mount } => {
                drop(mount);
                super::settle::settle(open_owned(&self.dirs.fs, ownership)?.dir(), &below)?;
                fs::rename(&self.dirs.fs, layer).map_err(Error::io("rename", &self.dirs.fs))
            }
            Form::Copy { baseline } => {
                let tree = open_owned(&self.dirs.fs, ownership)?;
                make_dir(layer)?;
                let made = open_owned(layer, ownership)?;
                let before = tree.dir().stat(OsStr::new(".")).map_err(Error::io("commit", layer))?;
                copy::extract_changes(tree.dir(), Changes { baseline: &baseline, below: &below, layer: made.dir() })?;
                copy_root_attributes(made.dir(), &before).map_err(Error::io("commit", layer))
            }
        }
    }
}

/// Mode and owner of the layer's top directory are those of the tree's root, as with an overlay.
fn copy_root_attributes(made: &Dir, before: &crate::root::Metadata) -> io::Result<()> {
    let this = OsStr::new(".");
    made.set_owner(this, before.uid, before.gid)?;
    made.set_mode(this, before.mode)?;
    made.set_mtime(this, before.mtime)
}

/// A merged view for reading: one layer as it is, more as an overlay without an upper directory, or as a copy.
pub(super) fn open_view(lowers: &[PathBuf], scratch: &Path, options: TreeOptions) -> Result<(Root, Option<OwnedFd>)> {
    let owned = |root: Root| root.with_ownership(options.ownership).map_err(Error::io("open", scratch));
    if let [only] = lowers {
        return Ok((open_owned(only, options.ownership)?, None));
    }
    if !lowers.is_empty() && options.choice != SnapshotterChoice::Copy {
        match overlay::mount(lowers, None, scratch) {
            Ok(mount) => {
                let root = Root::from_fd(overlay::open_root(&mount).map_err(Error::io("open", scratch))?);
                return Ok((owned(root)?, Some(mount)));
            }
            Err(Error::Mount { .. }) if options.choice == SnapshotterChoice::Automatic => {}
            Err(error) => return Err(error),
        }
    }
    let copied = scratch.join("fs");
    make_dir(&copied)?;
    let root = open_owned(&copied, options.ownership)?;
    copy::copy_view(&MergedDir::open(lowers, options.ownership)?, &root)?;
    Ok((root, None))
}

fn mount(lowers: &[PathBuf], dirs: &TreeDirs, durability: Durability) -> Result<OwnedFd> {
    make_dir(&dirs.work)?;
    let upper = Some(Upper { upper: &dirs.fs, work: &dirs.work, durability });
    let scratch = dirs.fs.parent().unwrap_or(&dirs.fs);
    let mut all: Vec<PathBuf> = dirs.beneath.iter().chain(lowers).cloned().collect();
    if all.is_empty() {
        make_dir(&dirs.empty)?;
        all.push(dirs.empty.clone());
    }
    overlay::mount(&all, upper, scratch)
}

/// Makes a directory of mode 0755 whatever the umask, unless it is there.
pub(crate) fn make_dir(path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    match fs::create_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
        other => other.map_err(Error::io("create", path))?,
    }
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).map_err(Error::io("create", path))
}

/// Removes an empty directory, if it is there.
fn remove_dir(path: &Path) -> Result<()> {
    match fs::remove_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other.map_err(Error::io("remove", path)),
    }
}

fn open_owned(path: &Path, ownership: Ownership) -> Result<Root> {
    Root::open(path)?.with_ownership(ownership).map_err(Error::io("open", path))
}
