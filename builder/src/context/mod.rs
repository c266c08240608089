//! The build context: a directory, its ignore rules, and the memory of its files' digests.
//!
//! Nothing is read or walked until a step asks for it, and then only what it names.

mod digest;
mod memory;
mod missing;
mod select;
mod tree;

use std::fs::File;
use std::path::{Path, PathBuf};

use dhow_layer_store::{FileId, Root, Store};

use crate::error::{BuildError, Result};
use crate::ignore::IgnoreRules;

pub(crate) use digest::{digest, listing};
pub(crate) use memory::{DigestMemory, FileDigest};
pub(crate) use missing::explain;
pub(crate) use select::{Entry, Filter, Match, Presence, select, select_exact};
pub(crate) use tree::{SourceTree, clean, is_missing};

/// The date of a context, for `SOURCE_DATE_EPOCH`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ContextDate {
    /// It has none: a directory of this machine.
    #[default]
    None,
    /// Seconds since 1970: of a commit, or as a web server says.
    Seconds(i64),
    /// That of its newest file: an archive that was unpacked.
    NewestFile,
    /// That of the newest file in this archive of it, which may be none.
    NewestEntry(PathBuf),
}

/// The directory that a build copies from.
#[derive(Debug)]
pub struct BuildContext {
    root: Root,
    id: FileId,
    ignore: IgnoreRules,
    memory: DigestMemory,
    date: ContextDate,
}

impl BuildContext {
    /// The rules that hide files of it.
    pub fn ignore_rules(&self) -> &IgnoreRules {
        &self.ignore
    }

    /// The context in the directory at `path`, without what `ignore` hides. `store` remembers the files' digests.
    ///
    /// # Errors
    /// There is no such directory.
    pub fn open(path: &Path, ignore: IgnoreRules, store: &Store) -> Result<Self> {
        let root = Root::open(path)?;
        let metadata = root.stat(Path::new("."))?;
        let missing = || BuildError::SourceMissing { path: path.to_owned(), nearest: None };
        let id = metadata.ok_or_else(missing)?.id;
        let memory = DigestMemory::load(store, id);
        Ok(Self { root, id, ignore, memory, date: ContextDate::None })
    }

    /// The same with a date.
    pub fn dated(self, date: ContextDate) -> Self {
        Self { date, ..self }
    }

    pub(crate) fn date(&self) -> &ContextDate {
        &self.date
    }

    /// Opens a file of it for reading.
    pub(crate) fn open_file(&self, path: &Path) -> Result<File> {
        Ok(self.root.open_file(path)?)
    }

    pub(crate) fn tree(&self) -> SourceTree<'_> {
        SourceTree::of_context(&self.root, &self.ignore, &self.memory)
    }

    /// Writes down the digests that this build found out.
    pub(crate) fn remember(&self, store: &Store) -> Result<()> {
        self.memory.save(store, self.id)
    }
}
