//! `COPY`, `ADD` and `WORKDIR`: changes to a tree that need no process.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use dhow_layer_store::Root;

use crate::cancel::CancelToken;
use crate::context::{Match, SourceTree};
use crate::error::Result;
use crate::exec::archive;
use crate::exec::owner::resolve_owner;
use crate::exec::place::{Destination, Landing};
use crate::plan::{CopyOp, WorkdirOp};

/// Copies into the tree at `root`.
#[derive(Debug)]
pub(crate) struct Copier<'a> {
    op: &'a CopyOp,
    landing: Landing<'a>,
}

/// Whether an archive among the sources is unpacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Archives {
    /// It is.
    Unpack,
    /// It is copied like any file.
    Copy,
}

/// Means of a copy: threads, and the token that ends it early.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Means<'a> {
    pub(crate) threads: usize,
    pub(crate) cancel: &'a CancelToken,
    /// What has to be copied, by paths below the match: the rest is in the tree already. `None` for everything.
    pub(crate) changed: Option<&'a HashSet<PathBuf>>,
}

impl<'a> Copier<'a> {
    /// Looks up the owner in the tree.
    pub(crate) fn new(op: &'a CopyOp, root: &'a Root, means: Means<'a>) -> Result<Self> {
        let owner = op.owner.as_ref().map(|owner| resolve_owner(root, owner)).transpose()?;
        let landing = Landing {
            root,
            destination: Path::new(&op.destination),
            shape: if op.destination.ends_with('/') { Destination::Directory } else { Destination::Any },
            owner,
            chmod: op.mode.as_ref(),
            threads: means.threads,
            cancel: means.cancel,
            changed: means.changed,
        };
        Ok(Self { op, landing })
    }

    /// Copies `matches` of one source.
    pub(crate) fn copy(&self, tree: &SourceTree<'_>, matches: &[Match], archives: Archives) -> Result<()> {
        for found in matches {
            self.landing.cancel.check()?;
            if archives == Archives::Unpack && archive::unpack(&self.landing, tree, found)? {
                continue;
            }
            self.landing.place(tree, found)?;
        }
        Ok(())
    }

    /// The operation.
    pub(crate) fn op(&self) -> &CopyOp {
        self.op
    }
}

/// Makes a working directory, with those above it, as `op`'s user's.
pub(crate) fn make_workdir(op: &WorkdirOp, root: &Root, means: Means<'_>) -> Result<()> {
    let owner = if op.user.is_empty() { None } else { Some(resolve_owner(root, &op.user)?) };
    let landing = Landing {
        root,
        destination: Path::new(&op.path),
        shape: Destination::Directory,
        owner,
        chmod: None,
        threads: 1,
        cancel: means.cancel,
        changed: None,
    };
    landing.make_dirs(Path::new(&op.path))
}
