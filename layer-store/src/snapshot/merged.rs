//! A stack of layers seen as one tree, without a mount: what the kernel's overlay would show, for reading.
//!
//! Commits compare with it, and copied trees are made from it.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::path::PathBuf;

use crate::layer::whiteout;
use crate::root::{Dir, FileKind, Metadata, Ownership, Root, Xattr, is_absent};
use crate::{Error, Result};

/// A directory of the merged tree: the directories of that path in the layers, highest first.
#[derive(Debug)]
pub(crate) struct MergedDir {
    layers: Vec<Dir>,
}

impl MergedDir {
    /// The root of the tree that `layers` make, lowest first.
    pub(crate) fn open(layers: &[PathBuf], ownership: Ownership) -> Result<Self> {
        let open = |path: &PathBuf| {
            let root = Root::open(path)?.with_ownership(ownership).map_err(Error::io("open", path))?;
            Ok(root.into_dir())
        };
        Ok(Self { layers: layers.iter().rev().map(open).collect::<Result<_>>()? })
    }

    /// The names in the directory, sorted by their bytes.
    pub(crate) fn names(&self) -> io::Result<Vec<OsString>> {
        let mut visible: BTreeMap<OsString, bool> = BTreeMap::new();
        for layer in &self.layers {
            for name in layer.names()? {
                if let Entry::Vacant(entry) = visible.entry(name) {
                    let hidden = layer.stat(entry.key())?.kind.is_whiteout();
                    entry.insert(!hidden);
                }
            }
        }
        Ok(visible.into_iter().filter_map(|(name, visible)| visible.then_some(name)).collect())
    }

    /// The metadata of `name`, or `None` where no layer shows it.
    pub(crate) fn stat(&self, name: &OsStr) -> io::Result<Option<Metadata>> {
        Ok(self.find(name)?.map(|(_, metadata)| metadata))
    }

    /// The metadata of the directory itself; of nothing, where there is no layer at all.
    pub(crate) fn stat_self(&self) -> io::Result<Option<Metadata>> {
        self.layers.first().map(|layer| layer.stat(OsStr::new("."))).transpose()
    }

    pub(crate) fn xattrs_self(&self) -> io::Result<Vec<Xattr>> {
        self.layers.first().map_or(Ok(Vec::new()), |layer| layer.xattrs(OsStr::new(".")))
    }

    /// The directory `name`, which must be one.
    pub(crate) fn open_dir(&self, name: &OsStr) -> io::Result<Self> {
        let mut layers = Vec::new();
        for layer in &self.layers {
            let kind = match layer.stat(name) {
                Err(error) if is_absent(&error) => continue,
                other => other?.kind,
            };
            if kind != FileKind::Directory {
                break;
            }
            let dir = layer.open_dir(name)?;
            let opaque = whiteout::is_opaque(&dir)?;
            layers.push(dir);
            if opaque {
                break;
            }
        }
        Ok(Self { layers })
    }

    pub(crate) fn open_file(&self, name: &OsStr) -> io::Result<File> {
        self.owner_of(name)?.open_file(name)
    }

    pub(crate) fn read_link(&self, name: &OsStr) -> io::Result<Vec<u8>> {
        self.owner_of(name)?.read_link(name)
    }

    pub(crate) fn xattrs(&self, name: &OsStr) -> io::Result<Vec<Xattr>> {
        self.owner_of(name)?.xattrs(name)
    }

    /// The highest layer's directory that has `name`, unless it hides the name.
    fn find(&self, name: &OsStr) -> io::Result<Option<(&Dir, Metadata)>> {
        for layer in &self.layers {
            match layer.stat(name) {
                Err(error) if is_absent(&error) => {}
                Ok(metadata) if metadata.kind.is_whiteout() => return Ok(None),
                other => return Ok(Some((layer, other?))),
            }
        }
        Ok(None)
    }

    fn owner_of(&self, name: &OsStr) -> io::Result<&Dir> {
        self.find(name)?.map(|(layer, _)| layer).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}
