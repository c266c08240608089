//! Files of the context or of a stage as a directory of their own, for mounts of `RUN`. Whatever is written there goes
//! with it.

use std::path::{Path, PathBuf};

use dhow_layer_store::{FileKind, Root, StagingDir, Store};

use crate::context::{Match, SourceTree, select_exact};
use crate::error::Result;
use crate::exec::copy::Means;
use crate::exec::place::{Destination, Landing};

/// Copies what `source` (an exact path) is in `tree` into `staging`; where the copy is.
pub(crate) fn materialize(tree: &SourceTree<'_>, source: &Path, into: (&StagingDir, Means<'_>)) -> Result<PathBuf> {
    let found = select_exact(tree, source)?;
    let (staging, means) = into;
    let root = Root::open(staging.path())?.with_ownership(staging.store().options().ownership);
    let root = root.map_err(crate::BuildError::io("open", staging.path()))?;
    copy(&root, tree, &found, means)?;
    Ok(staging.path().join("tree"))
}

/// Copies `found` to `tree` under `root`, with its own mode and owner.
fn copy(root: &Root, tree: &SourceTree<'_>, found: &Match, means: Means<'_>) -> Result<()> {
    let landing = Landing {
        root,
        destination: Path::new("/tree"),
        shape: Destination::Any,
        owner: None,
        chmod: None,
        threads: means.threads,
        cancel: means.cancel,
        changed: None,
    };
    landing.place(tree, found)?;
    let top = &found.top().metadata;
    if top.kind == FileKind::Directory {
        root.set_owner(Path::new("tree"), top.uid, top.gid)?;
        root.set_mode(Path::new("tree"), top.mode)?;
    }
    Ok(())
}

/// An empty directory.
pub(crate) fn empty(store: &Store) -> Result<(StagingDir, PathBuf)> {
    let staging = store.staging()?;
    let root = Root::open(staging.path())?;
    root.create_dir_all(Path::new("tree"), 0o755)?;
    let path = staging.path().join("tree");
    Ok((staging, path))
}
