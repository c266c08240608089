//! Seeing files of layers: those that were left where the image came from are fetched first.

use dhow_layer_store::{ActiveSnapshot, LayerId, SnapshotView, Stack, Store};

use crate::error::{BuildError, Result};
use crate::source_image::ImageSource;

/// The one way from layers to files in a build.
#[derive(Clone, Copy)]
pub(crate) struct Sight<'a> {
    pub(crate) store: &'a Store,
    pub(crate) images: &'a dyn ImageSource,
}

impl Sight<'_> {
    /// A writable tree on the layers `below`.
    pub(crate) fn prepare(&self, below: &Stack) -> Result<ActiveSnapshot> {
        self.fetch(below)?;
        Ok(self.store.prepare(below)?)
    }

    /// A writable tree on the layers `below` for a process in a sandbox.
    pub(crate) fn prepare_for_run(&self, below: &Stack) -> Result<ActiveSnapshot> {
        self.fetch(below)?;
        Ok(self.store.prepare_with_mount_points(below)?)
    }

    /// The layers of `stack` as one tree, for reading.
    pub(crate) fn view(&self, stack: &Stack) -> Result<SnapshotView> {
        self.fetch(stack)?;
        Ok(self.store.view(stack)?)
    }

    /// The layers of `stack` that are here: all of them but those of a base that nobody had to see yet.
    pub(crate) fn present(&self, stack: &Stack) -> Result<Stack> {
        let mut present = Vec::new();
        for id in stack.layers() {
            if self.store.layer(id)?.has_content()? {
                present.push(id.clone());
            }
        }
        Ok(Stack(present))
    }

    /// Gets the layers of `stack` that were left in a registry.
    pub(crate) fn fetch(&self, stack: &Stack) -> Result<()> {
        let present = self.present(stack)?;
        if present == *stack {
            return Ok(());
        }
        let missing: Vec<LayerId> =
            stack.layers().iter().filter(|id| !present.layers().contains(id)).cloned().collect();
        self.images.fetch(&missing).map_err(BuildError::Layers)
    }
}
