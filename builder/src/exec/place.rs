//! Puts selected files in their place in an image: the second half of `COPY` and `ADD`.
//!
//! The rules are those of the reference's file operation. A directory's content lands in the destination; a file lands
//! in it if it is a directory, else takes its name. Links on the way to the destination are followed inside the image,
//! links that are copied are not. A file replaces what is not a directory; a directory merges into a directory.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use dhow_layer_store::{FileKind, Metadata, Root};

use crate::cancel::CancelToken;
use crate::context::{Entry, Match, SourceTree, clean};
use crate::error::{BuildError, Result};
use crate::exec::transfer::Transfer;
use crate::plan::{self, Mode};

/// The mode of directories that are made on the way.
const PARENT_MODE: u32 = 0o755;

/// How files land.
#[derive(Debug)]
pub(crate) struct Landing<'a> {
    /// The image's tree.
    pub(crate) root: &'a Root,
    /// The destination, absolute.
    pub(crate) destination: &'a Path,
    /// What the destination's last character says.
    pub(crate) shape: Destination,
    /// `--chown`, in numbers.
    pub(crate) owner: Option<(u32, u32)>,
    /// `--chmod`.
    pub(crate) chmod: Option<&'a Mode>,
    /// Threads to copy with.
    pub(crate) threads: usize,
    /// Ends the copy early.
    pub(crate) cancel: &'a CancelToken,
    /// What has to be copied, by paths below the match, if the rest is there from an earlier copy.
    pub(crate) changed: Option<&'a HashSet<PathBuf>>,
}

/// Whether a destination was written with a slash at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Destination {
    /// It was: it is a directory, made if it is missing.
    Directory,
    /// It was not: it is whatever is there, or becomes what is copied.
    Any,
}

impl Landing<'_> {
    /// Copies `found` with all that is in it.
    pub(crate) fn place(&self, tree: &SourceTree<'_>, found: &Match) -> Result<()> {
        let target = self.target(found)?;
        let transfer = Transfer { landing: self, tree, found, target: &target };
        transfer.run()
    }

    /// Makes the directory `path` with those above it; new ones belong to `--chown`.
    pub(crate) fn make_dirs(&self, path: &Path) -> Result<()> {
        for made in self.root.create_dir_all(path, PARENT_MODE)? {
            if let Some((uid, gid)) = self.owner {
                self.root.set_owner(&made, uid, gid)?;
                self.root.set_mode(&made, PARENT_MODE)?;
            }
        }
        Ok(())
    }

    /// The path, without links, that `found` becomes; the directories above it exist afterwards.
    fn target(&self, found: &Match) -> Result<PathBuf> {
        let destination = clean(self.destination);
        let ensured = match self.shape {
            Destination::Directory => destination.as_path(),
            Destination::Any => destination.parent().unwrap_or(Path::new("")),
        };
        self.make_dirs(ensured)?;
        let destination = self.follow(&destination)?;
        let is_dir = found.top().metadata.kind == FileKind::Directory;
        let existing = self.root.stat(&destination)?;
        match existing {
            Some(existing) if existing.kind == FileKind::Directory && !is_dir => Ok(destination.join(&found.name)),
            Some(existing) if existing.kind != FileKind::Directory && is_dir => Err(BuildError::CopyConflict {
                what: "a directory",
                existing: "a file",
                path: Path::new("/").join(destination),
            }),
            None if is_dir => {
                self.make_dirs(&destination)?;
                Ok(destination)
            }
            _ => Ok(destination),
        }
    }

    /// `path` without links; also where the last of them leads to nothing yet.
    fn follow(&self, path: &Path) -> Result<PathBuf> {
        const MAX_LINKS: usize = 40;
        let mut path = path.to_owned();
        for _ in 0..MAX_LINKS {
            match self.root.stat(&path)? {
                Some(metadata) if metadata.kind == FileKind::Symlink => {
                    let target = self.root.read_link(&path)?;
                    let base = path.parent().unwrap_or(Path::new(""));
                    let base = self.root.resolve(base)?;
                    path = if target.is_absolute() { clean(&target) } else { clean(&base.join(target)) };
                    self.make_dirs(path.parent().unwrap_or(Path::new("")))?;
                }
                Some(_) => return Ok(self.root.resolve(&path)?),
                None => {
                    let parent = self.root.resolve(path.parent().unwrap_or(Path::new("")))?;
                    return Ok(path.file_name().map_or(parent.clone(), |name| parent.join(name)));
                }
            }
        }
        Err(BuildError::io("follow", path)(std::io::Error::from_raw_os_error(40)))
    }

    /// Whether `entry` need not be copied to the path `to` of `root`: an earlier copy did, and it looks the same.
    pub(crate) fn is_kept(&self, entry: &Entry, (root, to): (&Root, &Path)) -> Result<bool> {
        if self.changed.is_none_or(|changed| changed.contains(&entry.path)) {
            return Ok(false);
        }
        let Some(there) = root.stat(to)? else { return Ok(false) };
        let wanted = &entry.metadata;
        // The mode of a link says nothing, and the size of a directory neither.
        let mode = if wanted.kind == FileKind::Symlink { there.mode } else { self.mode_of(wanted) };
        let size = if wanted.kind == FileKind::Regular { wanted.size } else { there.size };
        let owner = self.owner_of(wanted);
        Ok((there.kind, there.mode, there.size, (there.uid, there.gid), there.mtime)
            == (wanted.kind, mode, size, owner, wanted.mtime))
    }

    /// Owner and group of a copied file.
    pub(crate) fn owner_of(&self, metadata: &Metadata) -> (u32, u32) {
        self.owner.unwrap_or((metadata.uid, metadata.gid))
    }

    /// Mode of a copied file.
    pub(crate) fn mode_of(&self, metadata: &Metadata) -> u32 {
        let kind = match metadata.kind {
            FileKind::Directory => plan::FileKind::Directory,
            _ => plan::FileKind::Other,
        };
        self.chmod.map_or(metadata.mode, |chmod| chmod.apply(metadata.mode, kind))
    }
}
