//! Makes an overlay's upper directory into a layer: takes out what is there but says nothing.
//!
//! The kernel copies a file up when it is opened for writing, and its directories with it; it marks new directories
//! opaque as an optimisation. What remains here is the difference between the tree before and the tree after, and so
//! the same as a copied tree gives (`copy.rs`). An opaque directory becomes whiteouts of what it hides (image-spec
//! `layer.md`: explicit whiteouts should be preferred).

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};

use super::compare::{is_same_directory, is_unchanged};
use super::links::Links;
use super::merged::MergedDir;
use crate::layer::whiteout;
use crate::root::{Dir, FileKind};
use crate::{Error, Result};

/// Settles `upper`, which must not be mounted any more, over the layers `below`.
pub(super) fn settle(upper: &Dir, below: &MergedDir) -> Result<()> {
    let mut settler = Settler { links: Links::default(), judged: false, path: PathBuf::new() };
    settler.settle_directory(upper, Some(below))?;
    if settler.links.has_unchanged() {
        // Only now all names of each file are known.
        settler.judged = true;
        settler.settle_directory(upper, Some(below))?;
    }
    Ok(())
}

struct Settler {
    links: Links,
    /// Whether `links` is complete.
    judged: bool,
    /// The directory at hand, for messages.
    path: PathBuf,
}

/// A directory that was made anew in an opaque one hides what its namesake below holds, without a mark of its own.
fn hide_below(opaque: &Dir, name: &OsStr) -> io::Result<()> {
    if opaque.stat(name)?.kind == FileKind::Directory {
        whiteout::mark_opaque(&opaque.open_dir(name)?)?;
    }
    Ok(())
}

impl Settler {
    fn settle_directory(&mut self, upper: &Dir, below: Option<&MergedDir>) -> Result<()> {
        let this = OsStr::new(".");
        let before = upper.stat(this).map_err(self.error(this))?;
        let names = upper.names().map_err(self.error(this))?;
        let mut touched = self.expand_opaque(upper, below, &names)?;
        for name in &names {
            touched |= self.settle_name(upper, below, name)?;
        }
        if touched {
            upper.set_mtime(this, before.mtime).map_err(self.error(this))?;
        }
        Ok(())
    }

    /// Replaces an opaque mark by whiteouts; whether the directory was touched.
    fn expand_opaque(&self, upper: &Dir, below: Option<&MergedDir>, names: &[OsString]) -> Result<bool> {
        let this = OsStr::new(".");
        if !whiteout::is_opaque(upper).map_err(self.error(this))? {
            return Ok(false);
        }
        let mut touched = false;
        if let Some(below) = below {
            for hidden in below.names().map_err(self.error(this))? {
                if names.binary_search(&hidden).is_err() {
                    upper.whiteout(&hidden).map_err(self.error(&hidden))?;
                    touched = true;
                } else {
                    hide_below(upper, &hidden).map_err(self.error(&hidden))?;
                }
            }
        }
        whiteout::clear_opaque(upper).map_err(self.error(this))?;
        Ok(touched)
    }

    /// Removes `name` if it says nothing; whether it did.
    fn settle_name(&mut self, upper: &Dir, below: Option<&MergedDir>, name: &OsStr) -> Result<bool> {
        let metadata = upper.stat(name).map_err(self.error(name))?;
        let there = below.map_or(Ok(None), |below| below.stat(name)).map_err(self.error(name))?;
        let superfluous = match (metadata.kind, below, there) {
            (kind, _, there) if kind.is_whiteout() => there.is_none(),
            (FileKind::Directory, Some(below), Some(there)) if there.kind == FileKind::Directory => {
                let below = below.open_dir(name).map_err(self.error(name))?;
                self.settle_subdirectory(upper, Some(&below), name)?
            }
            (FileKind::Directory, ..) => self.settle_subdirectory(upper, None, name)?,
            (_, below, _) => {
                let unchanged = match below {
                    Some(below) if there.is_some() => is_unchanged(upper, name, below).map_err(self.error(name))?,
                    _ => false,
                };
                if metadata.links > 1 && !self.judged {
                    self.links.note(&metadata, unchanged);
                }
                unchanged && (metadata.links < 2 || self.judged && !self.links.is_kept(&metadata))
            }
        };
        if superfluous {
            upper.remove(name).map_err(self.error(name))?;
        }
        Ok(superfluous)
    }

    /// Settles a directory; whether nothing is left of it.
    fn settle_subdirectory(&mut self, upper: &Dir, below: Option<&MergedDir>, name: &OsStr) -> Result<bool> {
        let dir = upper.open_dir(name).map_err(self.error(name))?;
        self.path.push(name);
        self.settle_directory(&dir, below)?;
        self.path.pop();
        let Some(below) = below else { return Ok(false) };
        let is_nothing = || -> io::Result<bool> {
            Ok(dir.names()?.is_empty() && is_same_directory(&dir.stat(OsStr::new("."))?, &dir, below)?)
        };
        is_nothing().map_err(self.error(name))
    }

    fn error(&self, name: &OsStr) -> impl FnOnce(io::Error) -> Error + use<> {
        Error::io("commit", &Path::new("/").join(&self.path).join(name))
    }
}
