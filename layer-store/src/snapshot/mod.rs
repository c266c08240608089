//! Writable trees on stacks of layers, and read-only views of them.
//!
//! [`ActiveSnapshot`] is what a build step or a container works in: an overlay mount, or a copied tree where mounting is
//! not allowed. What it holds becomes a layer by [`commit`](ActiveSnapshot::commit); dropped, it leaves nothing.

mod classic;
mod compare;
mod container;
mod copy;
mod links;
mod merged;
mod mount_points;
mod overlay;
mod settle;
mod tree;

use std::fs;
use std::io;
use std::num::NonZero;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::options::SnapshotterChoice;
use crate::root::Root;
use crate::staging::StagingDir;
use crate::{Error, Layer, LayerId, Result, Stack, Store};

pub use container::ContainerTree;
pub use mount_points::MOUNT_POINTS;
use overlay::Durability;
pub(crate) use tree::make_dir;
use tree::{TreeDirs, TreeOptions, WritableTree};

/// A root directory to run a process in.
#[derive(Debug)]
pub enum SnapshotRootfs {
    /// A detached mount, to be attached with `move_mount`.
    Mount(OwnedFd),
    /// A directory to change root to.
    Dir(PathBuf),
}

/// A writable tree that nobody else sees until it is committed.
#[derive(Debug)]
pub struct ActiveSnapshot {
    tree: WritableTree,
    staging: StagingDir,
}

/// A stack of layers as a tree, for reading.
#[derive(Debug)]
pub struct SnapshotView {
    root: Root,
    mount: Option<OwnedFd>,
    _staging: Option<StagingDir>,
}

impl Store {
    /// Makes a writable tree on the layers `below`; those that are not unpacked yet are, several at once.
    ///
    /// # Errors
    /// [`Error::Mount`] where an overlay was asked for and cannot be had, and all that unpacking can say.
    pub fn prepare(&self, below: &Stack) -> Result<ActiveSnapshot> {
        self.prepare_in(below, TreeDirs::new)
    }

    /// As [`prepare`](Self::prepare), for a process that will have files mounted over [`MOUNT_POINTS`]: where the layers
    /// lack them, an overlay shows empty ones, which never become part of the layer. A copied tree does not have them.
    ///
    /// # Errors
    /// As of [`prepare`](Self::prepare).
    pub fn prepare_with_mount_points(&self, below: &Stack) -> Result<ActiveSnapshot> {
        let beneath = mount_points::directory(self)?;
        self.prepare_in(below, |directory| TreeDirs::new(directory).on(beneath))
    }

    fn prepare_in(&self, below: &Stack, dirs: impl FnOnce(&Path) -> TreeDirs) -> Result<ActiveSnapshot> {
        let lowers = self.unpacked(below)?;
        let staging = self.staging()?;
        let dirs = dirs(staging.path());
        let tree = WritableTree::create(lowers, dirs, self.tree_options(Durability::Volatile))?;
        Ok(ActiveSnapshot { tree, staging })
    }

    /// The layers of `stack` as one tree, for reading.
    ///
    /// # Errors
    /// As of [`prepare`](Self::prepare).
    pub fn view(&self, stack: &Stack) -> Result<SnapshotView> {
        let lowers = self.unpacked(stack)?;
        // One layer is a tree already.
        let staging = if lowers.len() == 1 { None } else { Some(self.staging()?) };
        let scratch = staging.as_ref().map_or(self.root(), StagingDir::path);
        let (root, mount) = tree::open_view(&lowers, scratch, self.tree_options(Durability::Volatile))?;
        Ok(SnapshotView { root, mount, _staging: staging })
    }

    fn tree_options(&self, durability: Durability) -> TreeOptions {
        let options = self.options();
        TreeOptions { ownership: options.ownership, choice: options.snapshotter, durability }
    }

    /// The directories of the layers, unpacked.
    fn unpacked(&self, stack: &Stack) -> Result<Vec<PathBuf>> {
        let layers = stack.layers().iter().map(|id| self.layer(id)).collect::<Result<Vec<_>>>()?;
        unpack_missing(&layers)?;
        Ok(layers.iter().map(Layer::parts).collect::<Result<Vec<_>>>()?.concat())
    }
}

/// Unpacks what is not unpacked, several layers at once.
fn unpack_missing(layers: &[Layer]) -> Result<()> {
    let missing: Vec<&Layer> = layers.iter().filter(|layer| !layer.is_unpacked()).collect();
    if missing.len() < 2 {
        return Ok(());
    }
    let workers = thread::available_parallelism().map_or(1, NonZero::get).min(missing.len());
    let next = AtomicUsize::new(0);
    let work = || -> Result<()> {
        while let Some(layer) = missing.get(next.fetch_add(1, Ordering::Relaxed)) {
            layer.fs()?;
        }
        Ok(())
    };
    let panicked = |_| Error::stream("unpack the layers")(io::Error::other("a thread has panicked"));
    thread::scope(|scope| {
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().map_err(panicked)?)
    })
}

impl ActiveSnapshot {
    /// The merged tree, writable.
    pub fn root(&self) -> &Root {
        self.tree.root()
    }

    /// The merged tree as the root of a process. Before Linux 6.15 a mount can be attached only once.
    ///
    /// # Errors
    /// The kernel refuses to clone the mount.
    pub fn rootfs(&self) -> Result<SnapshotRootfs> {
        self.tree.rootfs()
    }

    /// Makes a layer of what changed. Processes that ran in the tree must have ended.
    ///
    /// Files that are as they were, although they were opened for writing, are not part of it;
    /// [`Layer::is_empty`] tells when nothing is.
    ///
    /// # Errors
    /// The file system refuses; nothing is left in the store then.
    pub fn commit(self) -> Result<Layer> {
        let staging = self.finish()?;
        staging.store().clone().publish_unsynced_layer(staging)
    }

    /// As [`commit`](Self::commit), for a tree whose highest layer was `onto`: what changed becomes a layer together with
    /// that one, and stands in its place. Nothing that it shows may have been deleted.
    ///
    /// # Errors
    /// As of [`commit`](Self::commit).
    pub fn commit_onto(self, onto: &LayerId) -> Result<Layer> {
        let staging = self.finish()?;
        staging.store().clone().publish_unsynced_layer_onto(onto, staging)
    }

    /// Leaves nothing in the staging directory but what changed, as `fs`.
    fn finish(self) -> Result<StagingDir> {
        self.tree.finish(&self.staging.path().join("fs"))?;
        TreeDirs::NAMES.iter().try_for_each(|name| self.staging.remove_later(name))?;
        Ok(self.staging)
    }
}

impl SnapshotView {
    /// The tree. Writing to it fails, or must not be tried where layers are shown as they are.
    pub fn root(&self) -> &Root {
        &self.root
    }

    /// The mount, where there is one.
    pub fn mount(&self) -> Option<&OwnedFd> {
        self.mount.as_ref()
    }
}

/// Whether the unpacked layer at `fs` has no entry.
pub(crate) fn is_empty_dir(fs: &Path) -> Result<bool> {
    Ok(fs::read_dir(fs).map_err(Error::io("list", fs))?.next().is_none())
}

#[cfg(test)]
mod tests;
