//! A tree that files are copied from: the build context as `.dockerignore` leaves it, or the root of a stage or image.

use std::path::{Component, Path, PathBuf};

use dhow_layer_store::{FileKind, Metadata, Root};

use crate::context::memory::DigestMemory;
use crate::error::Result;
use crate::ignore::IgnoreRules;

/// Who owns files once they are copied, if no `--chown` says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SourceOwners {
    /// Root: the context's owners are those of the machine that builds.
    Reset,
    /// Whoever owned them in the stage or image.
    Kept,
}

/// A tree that `COPY`, `ADD` and bind mounts read.
#[derive(Debug)]
pub(crate) struct SourceTree<'a> {
    pub(crate) root: &'a Root,
    pub(crate) ignore: Option<&'a IgnoreRules>,
    pub(crate) memory: Option<&'a DigestMemory>,
    /// How many may read it at once.
    pub(crate) threads: usize,
    owners: SourceOwners,
}

impl<'a> SourceTree<'a> {
    /// The tree of the build context.
    pub(crate) fn of_context(root: &'a Root, ignore: &'a IgnoreRules, memory: &'a DigestMemory) -> Self {
        let ignore = (!ignore.is_empty()).then_some(ignore);
        Self { root, ignore, memory: Some(memory), threads: 1, owners: SourceOwners::Reset }
    }

    /// A tree that the build itself has made for one copy.
    pub(crate) fn of_build(root: &'a Root) -> Self {
        Self { root, ignore: None, memory: None, threads: 1, owners: SourceOwners::Reset }
    }

    /// The tree of a stage or an image.
    pub(crate) fn of_image(root: &'a Root) -> Self {
        Self { root, ignore: None, memory: None, threads: 1, owners: SourceOwners::Kept }
    }

    /// The same, read by so many threads.
    pub(crate) fn with_threads(self, threads: usize) -> Self {
        Self { threads, ..self }
    }

    /// The metadata of `path` (relative, no link followed at its end) as they are copied; `None` if it is missing.
    pub(crate) fn stat(&self, path: &Path) -> Result<Option<Metadata>> {
        Ok(self.root.stat(path)?.map(|metadata| self.owned(metadata)))
    }

    /// What `metadata` become in the image.
    pub(crate) fn owned(&self, metadata: Metadata) -> Metadata {
        match self.owners {
            SourceOwners::Reset => Metadata { uid: 0, gid: 0, ..metadata },
            SourceOwners::Kept => metadata,
        }
    }

    /// Whether `.dockerignore` hides `path`.
    pub(crate) fn is_ignored(&self, path: &Path) -> bool {
        !path.as_os_str().is_empty() && self.ignore.is_some_and(|rules| rules.is_ignored(&path.to_string_lossy()))
    }

    /// Whether nothing below the directory `path` can be seen.
    pub(crate) fn is_hidden_dir(&self, path: &Path) -> bool {
        self.is_ignored(path) && !self.ignore.is_some_and(|rules| rules.may_contain_reincluded(&path.to_string_lossy()))
    }

    /// The path without links, if it exists and can be seen.
    pub(crate) fn resolve(&self, path: &Path) -> Result<Option<PathBuf>> {
        if self.is_ignored(path) && self.is_hidden(path)? {
            return Ok(None);
        }
        let real = match self.root.resolve(path) {
            Ok(real) => real,
            Err(error) if is_missing(&error) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        Ok((real == path || !self.is_hidden(&real)?).then_some(real))
    }

    /// Whether `path` itself cannot be seen: it is ignored, and no directory that holds something that is not.
    fn is_hidden(&self, path: &Path) -> Result<bool> {
        if !self.is_ignored(path) {
            return Ok(false);
        }
        let is_dir = self.root.stat(path)?.is_some_and(|metadata| metadata.kind == FileKind::Directory);
        Ok(!is_dir || self.is_hidden_dir(path))
    }
}

/// Whether the error says that there is no such file.
pub(crate) fn is_missing(error: &dhow_layer_store::Error) -> bool {
    use std::io::ErrorKind::{NotADirectory, NotFound};
    matches!(error, dhow_layer_store::Error::Io { source, .. } if matches!(source.kind(), NotFound | NotADirectory))
}

/// `path` from the root of a tree, without `.` and `..`, which stops at the root, and relative to it.
pub(crate) fn clean(path: &Path) -> PathBuf {
    let mut cleaned = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => cleaned.push(name),
            Component::ParentDir => {
                cleaned.pop();
            }
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    cleaned
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::clean;

    #[test]
    fn paths_stay_inside() {
        for (path, expected) in [
            ("/", ""),
            (".", ""),
            ("", ""),
            ("/a//b/./c/", "a/b/c"),
            ("../../a", "a"),
            ("a/../../b", "b"),
            ("a/..", ""),
        ] {
            assert_eq!(clean(Path::new(path)), Path::new(expected), "{path}");
        }
    }
}
