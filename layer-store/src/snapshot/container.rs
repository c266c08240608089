//! The writable tree of a container: as an active snapshot, but it stays in the container's directory.

use std::path::Path;

use super::overlay::Durability;
use super::tree::{TreeDirs, WritableTree};
use super::{SnapshotRootfs, Stack};
use crate::root::Root;
use crate::{Result, Store, durable};

/// A writable tree that outlives the process that made it. Dropping it unmounts it and keeps what was written.
///
/// For a container that goes when it ends, [`Store::prepare`] is faster: what it writes need not reach the disk.
#[derive(Debug)]
pub struct ContainerTree {
    tree: WritableTree,
}

impl Store {
    /// Notes in the container's `directory`, in the file `layers`, that it stands on `stack`: the layers stay as long as
    /// the directory does.
    ///
    /// # Errors
    /// A layer is not there, or the file system refuses.
    pub fn note_container(&self, directory: &Path, stack: &Stack) -> Result<()> {
        let _no_sweep = self.no_sweep()?;
        let mut text = String::new();
        for id in stack.layers() {
            self.layer(id)?;
            text += &format!("{id}\n");
        }
        durable::write_unsynced(self.staging_area()?, &directory.join("layers"), text.as_bytes())
    }

    /// Makes a writable tree on the layers `below` in `directory`, which exists and is on the store's file system, or
    /// takes up the one that was made there before. It takes the names `tree`, `work` and `empty` in it.
    ///
    /// # Errors
    /// As of [`prepare`](Self::prepare).
    pub fn container_tree(&self, directory: &Path, below: &Stack) -> Result<ContainerTree> {
        let lowers = self.unpacked(below)?;
        let dirs = TreeDirs::new(directory);
        let options = self.tree_options(Durability::Kept);
        let tree = if dirs.fs.is_dir() {
            WritableTree::reopen(lowers, dirs, options)?
        } else {
            WritableTree::create(lowers, dirs, options)?
        };
        Ok(ContainerTree { tree })
    }
}

impl ContainerTree {
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
}
