//! Which bytes of lower layers a layer hides: files that it replaces or deletes. They stay in the image.
//!
//! A file counts once, by the layer that hides the last of its names.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use dhow_layer_store::{FileId, FileKind, Layer, Metadata, Root, Store};

/// Whose layer it is: the place of a line in the list of lines, or none for the base.
pub(super) type Owner = Option<usize>;

/// The layers so far, the lowest first, and what was hidden of them.
#[derive(Debug, Default)]
pub(super) struct Shadows {
    below: Vec<(Owner, Root)>,
    /// Names of files that were hidden so far.
    names: BTreeMap<FileId, BTreeSet<PathBuf>>,
    /// Bytes by whose they are and who hides them.
    hidden: BTreeMap<(Owner, usize), u64>,
}

/// A directory, and the layers below in which it is seen, the highest first.
struct Level {
    path: PathBuf,
    seen_in: Vec<usize>,
}

/// What is at a path in the layers below.
#[derive(Default)]
struct Below {
    file: Option<(usize, Metadata)>,
    directories: Vec<usize>,
}

impl Shadows {
    /// Puts a layer on the others.
    ///
    /// # Errors
    /// The layer cannot be read.
    pub(super) fn put(&mut self, store: &Store, layer: &Layer, owner: Owner) -> anyhow::Result<()> {
        for part in layer.parts()? {
            self.below.push((owner, Root::open(&part)?.with_ownership(store.options().ownership)?));
        }
        Ok(())
    }

    /// Looks at the files of a layer that is to be put on the others, and shows each to `see`.
    ///
    /// # Errors
    /// A layer cannot be read.
    pub(super) fn look(
        &mut self,
        root: &Root,
        at: usize,
        see: &mut dyn FnMut(Metadata, PathBuf),
    ) -> anyhow::Result<()> {
        let mut levels = vec![Level { path: PathBuf::from("/"), seen_in: (0..self.below.len()).rev().collect() }];
        while let Some(level) = levels.pop() {
            for name in root.read_dir(&level.path)? {
                let path = level.path.join(name);
                let Some(metadata) = root.stat(&path)? else { continue };
                let below = self.below(&path, &level.seen_in)?;
                self.count(below.file, &path, at);
                let seen_in = below.directories;
                if metadata.kind == FileKind::Directory {
                    levels.push(Level { path, seen_in });
                    continue;
                }
                self.count_tree(Level { path: path.clone(), seen_in }, at)?;
                see(metadata, path);
            }
        }
        Ok(())
    }

    /// Bytes by whose they are and who hides them.
    pub(super) fn hidden(&self) -> &BTreeMap<(Owner, usize), u64> {
        &self.hidden
    }

    /// All files in a directory that is no more.
    fn count_tree(&mut self, top: Level, at: usize) -> anyhow::Result<()> {
        let mut levels = vec![top];
        while let Some(level) = levels.pop() {
            let mut names = BTreeSet::new();
            for layer in &level.seen_in {
                names.extend(self.below[*layer].1.read_dir(&level.path)?);
            }
            for name in names {
                let path = level.path.join(name);
                let below = self.below(&path, &level.seen_in)?;
                self.count(below.file, &path, at);
                levels.push(Level { path, seen_in: below.directories });
            }
        }
        Ok(())
    }

    fn count(&mut self, file: Option<(usize, Metadata)>, path: &Path, at: usize) {
        let Some((layer, metadata)) = file.filter(|(_, file)| file.kind == FileKind::Regular && file.size > 0) else {
            return;
        };
        let names = self.names.entry(metadata.id).or_default();
        if names.insert(path.to_owned()) && names.len() as u64 == metadata.links {
            *self.hidden.entry((self.below[layer].0, at)).or_default() += metadata.size;
        }
    }

    fn below(&self, path: &Path, seen_in: &[usize]) -> anyhow::Result<Below> {
        let mut below = Below::default();
        for layer in seen_in {
            let root = &self.below[*layer].1;
            match root.stat(path)? {
                None => {}
                Some(metadata) if metadata.kind.is_whiteout() => break,
                Some(metadata) if metadata.kind == FileKind::Directory => {
                    below.directories.push(*layer);
                    if root.is_opaque(path)? {
                        break;
                    }
                }
                Some(metadata) => {
                    below.file = below.directories.is_empty().then_some((*layer, metadata));
                    break;
                }
            }
        }
        Ok(below)
    }
}
