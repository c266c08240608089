//! Garbage collection: whatever no image, name, build record or container needs, and no process has leased, is removed.
//!
//! What is *wanted* is decided elsewhere, by removing images (`removal.rs`) and records (`record.rs`). A sweep may run at any
//! time beside other processes: no reference is written while it looks and removes (`sweep_lock.rs`), and what is in use
//! without a reference is leased (`leases.rs`). docs/store-format.md, "Leases", has the whole protocol.

use std::collections::HashMap;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::durable;
use crate::error::{Error, Result};
use crate::layer_id::LayerId;
use crate::leases::Leased;
use crate::mark::Marked;
use crate::oci::{DiffId, Digest};
use crate::refs::names_in;
use crate::staging::{self, StagingDir};
use crate::store::Store;

/// How a sweep is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SweepOptions {
    /// Downloads that broke off are kept for so long.
    pub keep_partial: Duration,
}

impl Default for SweepOptions {
    fn default() -> Self {
        Self { keep_partial: Duration::from_secs(24 * 3600) }
    }
}

/// What a sweep removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Space that became free, in bytes of file sizes.
    pub bytes: u64,
    /// Blobs.
    pub blobs: usize,
    /// Layers.
    pub layers: usize,
    /// Downloads that broke off.
    pub partials: usize,
}

impl Store {
    /// Removes every blob and layer that no image, name, build record or container needs and that no other process has
    /// leased. Waits for another sweep.
    ///
    /// The caller must have nothing under way on this open store but images that it added: its own leases end.
    ///
    /// # Errors
    /// An entry is damaged (nothing is removed then), or the file system refuses.
    pub fn sweep(&self, options: SweepOptions) -> Result<Swept> {
        self.sweep_after(options, |_| Ok(()))
    }

    /// Sweeps after `first` has done its part, beside which no reference is written; it may move things to the trash.
    pub(crate) fn sweep_after(
        &self,
        options: SweepOptions,
        first: impl FnOnce(&StagingDir) -> Result<()>,
    ) -> Result<Swept> {
        // Removing files takes long on some disks; it happens when the trash is dropped, after the lock is given back.
        let trash = self.staging()?;
        self.let_go()?;
        let lock = self.sweep_lock()?;
        first(&trash)?;
        let mut marked = self.mark()?;
        let swept = self.sweep_unmarked(&mut marked, options, &trash)?;
        drop(lock);
        Ok(Swept { bytes: bytes_in(trash.path()), ..swept })
    }

    fn sweep_unmarked(&self, marked: &mut Marked, options: SweepOptions, trash: &StagingDir) -> Result<Swept> {
        let mut swept = self.sweep_layers(marked, trash)?;
        self.mark_layer_blobs(marked)?;
        let blobs = self.path("blobs/sha256");
        for (name, digest) in unmarked_names(&blobs, marked)? {
            let alone = digest.map(|digest| self.leases().alone_with(Leased::blob(&digest))).transpose()?;
            if !matches!(alone, Some(None)) {
                discard(&blobs.join(name), trash)?;
                swept.blobs += 1;
            }
        }
        let partial = self.path("partial");
        for name in names_in(&partial)? {
            let path = partial.join(name);
            if is_older(&path, options.keep_partial)
                && let Some(_lock) = try_flock(&path)?
            {
                discard(&path, trash)?;
                swept.partials += 1;
            }
        }
        self.sweep_origins(marked)?;
        self.sweep_left()?;
        staging::clear_leftovers(&self.path("tmp"))?;
        Ok(swept)
    }

    /// A note of where a blob is stays also if the blob is not here, as long as somebody may want it.
    fn sweep_origins(&self, marked: &Marked) -> Result<()> {
        let origins = self.path("origins");
        for (name, digest) in unmarked_names(&origins, marked)? {
            let alone = digest.map(|digest| self.leases().alone_with(Leased::blob(&digest))).transpose()?;
            if !matches!(alone, Some(None)) {
                durable::remove(&origins.join(name))?;
            }
        }
        Ok(())
    }

    /// Of two layers with one diff id the index knows one, which may go: then the other is to be found, at every moment.
    fn index_again(&self, marked: &Marked) -> Result<()> {
        for id in &marked.layers {
            let layer = match self.unleased_layer(id) {
                Err(Error::LayerMissing(_)) => continue,
                other => other?,
            };
            let Some(diff_id) = layer.known_diff_id()? else { continue };
            let stays = self.indexed(&diff_id)?.is_some_and(|found| marked.layers.contains(&found));
            if !stays {
                layer.index_instead(&diff_id)?;
            }
        }
        Ok(())
    }

    /// Removes the layers that are neither marked nor leased; those that are leased are marked then.
    fn sweep_layers(&self, marked: &mut Marked, trash: &StagingDir) -> Result<Swept> {
        self.index_again(marked)?;
        let mut swept = Swept::default();
        let layers = self.path("layers");
        let mut unmarked = HashMap::new();
        for name in names_in(&layers)? {
            match name.parse::<LayerId>() {
                Ok(id) if marked.layers.contains(&id) => {}
                Ok(id) => drop(unmarked.insert(id.clone(), self.below(&id))),
                Err(_) => discard(&layers.join(&name), trash)?,
            }
        }
        // Whoever leases a layer relies on those that it lies on: they go after it, or not at all.
        let mut users: HashMap<LayerId, usize> = HashMap::new();
        unmarked.values().flatten().for_each(|below: &LayerId| *users.entry(below.clone()).or_default() += 1);
        let mut ahead: Vec<LayerId> = unmarked.keys().filter(|id| !users.contains_key(id)).cloned().collect();
        while let Some(id) = ahead.pop() {
            let Some(_alone) = self.leases().alone_with(Leased::layer(&id))? else { continue };
            discard(&layers.join(id.as_str()), trash)?;
            swept.layers += 1;
            let Some(below) = unmarked.remove(&id).flatten() else { continue };
            let left = users.entry(below.clone()).or_default();
            *left = left.saturating_sub(1);
            if *left == 0 && unmarked.contains_key(&below) {
                ahead.push(below);
            }
        }
        marked.layers.extend(unmarked.into_keys());
        self.sweep_index()?;
        Ok(swept)
    }

    /// The layer that the layer `id` lies on. One whose entry is damaged is of no use to anybody.
    fn below(&self, id: &LayerId) -> Option<LayerId> {
        self.unleased_layer(id).and_then(|layer| layer.entry()).ok()?.onto
    }

    fn sweep_index(&self) -> Result<()> {
        let index = self.path("diff-ids");
        for name in names_in(&index)? {
            let path = index.join(&name);
            let diff_id = DiffId(Digest::from_hex(&name).map_err(Error::damaged(&path))?);
            let is_there = self.indexed(&diff_id)?.is_some_and(|id| self.unleased_layer(&id).is_ok());
            // If a new layer takes the entry just now, it is entered again with the first image on it.
            if !is_there {
                durable::remove(&path)?;
            }
        }
        Ok(())
    }
}

/// The names in `directory` that are no marked digest, with the digest that they are.
fn unmarked_names(directory: &Path, marked: &Marked) -> Result<Vec<(String, Option<Digest>)>> {
    let names = names_in(directory)?.into_iter().map(|name| {
        let digest = Digest::from_hex(&name).ok();
        (name, digest)
    });
    Ok(names.filter(|(_, digest)| digest.is_none_or(|digest| !marked.blobs.contains(&digest))).collect())
}

/// The flock of a file, unless somebody else has it or the file is gone.
pub(crate) fn try_flock(path: &Path) -> Result<Option<File>> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(Error::io("open", path))?,
    };
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(Error::io("lock", path)(error)),
    }
}

/// Moves a file or a tree to the trash, in one step, so that nobody sees it half removed.
pub(crate) fn discard(path: &Path, trash: &StagingDir) -> Result<()> {
    // A layer, a blob and a partial download may have the same name.
    let mut target = trash.path().join(path.file_name().unwrap_or_default());
    while target.exists() {
        target.as_mut_os_string().push("+");
    }
    match fs::rename(path, &target) {
        // A download that has just ended.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other.map_err(Error::io("remove", path)),
    }
}

fn is_older(path: &Path, age: Duration) -> bool {
    let modified = fs::metadata(path).and_then(|metadata| metadata.modified());
    modified.is_ok_and(|modified| SystemTime::now().duration_since(modified).is_ok_and(|is| is >= age))
}

/// Sizes of the files in a tree; what cannot be read counts as nothing.
fn bytes_in(path: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(path) else { return 0 };
    let size = |entry: fs::DirEntry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => bytes_in(&entry.path()),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    };
    entries.filter_map(Result::ok).map(size).sum()
}

#[cfg(test)]
mod tests;
