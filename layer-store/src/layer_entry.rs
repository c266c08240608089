//! What the store knows of a layer: `layers/<layer id>/layer.json`, and the index `diff-ids/`.
//!
//! Unpacking, packing and compressing are in `layer/`; this is the bookkeeping.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::durable;
use crate::error::{Error, Result};
use crate::layer::unsynced;
use crate::layer_id::LayerId;
use crate::leases::Leased;
use crate::oci::{Descriptor, DiffId};
use crate::staging::StagingDir;
use crate::store::Store;
use crate::tree_size::tree_size;

/// The content of `layer.json`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LayerEntry {
    /// Digest of the uncompressed tar, once somebody needed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) diff_id: Option<DiffId>,
    /// Size of the uncompressed tar in bytes, once known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) size: Option<u64>,
    /// Blobs that hold this layer, compressed or not; they may have left the store.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) blobs: Vec<Descriptor>,
    /// A layer over whose files those of this one lie: both together are this layer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) onto: Option<LayerId>,
}

/// A layer of a store.
#[derive(Debug, Clone)]
pub struct Layer {
    store: Store,
    id: LayerId,
}

impl Store {
    /// The layer `id`, which is leased: it stays, with those that it lies on.
    ///
    /// # Errors
    /// There is none.
    pub fn layer(&self, id: &LayerId) -> Result<Layer> {
        if self.seen().layers.contains(id) {
            return Ok(Layer { store: self.clone(), id: id.clone() });
        }
        self.leases().take(Leased::layer(id))?;
        let layer = self.unleased_layer(id)?;
        self.seen().layers.insert(id.clone());
        Ok(layer)
    }

    /// The layer `id` as it is now, for accounts: at the next moment it may be gone.
    pub(crate) fn unleased_layer(&self, id: &LayerId) -> Result<Layer> {
        if !self.layer_path(id).join("layer.json").is_file() {
            return Err(Error::LayerMissing(id.to_string()));
        }
        Ok(Layer { store: self.clone(), id: id.clone() })
    }

    /// The size of the layer `id` for accounts, as [`Layer::size`] gives it, without leasing it; 0 if it is gone.
    ///
    /// # Errors
    /// Its entry is damaged.
    pub fn layer_size(&self, id: &LayerId) -> Result<u64> {
        match self.unleased_layer(id).and_then(|layer| layer.size()) {
            Err(Error::LayerMissing(_)) => Ok(0),
            other => other,
        }
    }

    /// Adds the layers that those in `layers` lie on.
    pub(crate) fn add_layers_below(&self, layers: &mut HashSet<LayerId>) -> Result<()> {
        let mut ahead: Vec<LayerId> = layers.iter().cloned().collect();
        while let Some(id) = ahead.pop() {
            let below = match self.unleased_layer(&id).and_then(|layer| layer.entry()) {
                Ok(entry) => entry.onto,
                Err(Error::LayerMissing(_)) => None,
                Err(error) => return Err(error),
            };
            ahead.extend(below.filter(|below| layers.insert(below.clone())));
        }
        Ok(())
    }

    /// The layer whose uncompressed tar has the digest `diff_id`, if there is one.
    ///
    /// # Errors
    /// The file system refuses, or the index is damaged.
    pub fn layer_by_diff_id(&self, diff_id: &DiffId) -> Result<Option<Layer>> {
        let Some(id) = self.indexed(diff_id)? else { return Ok(None) };
        match self.layer(&id) {
            Err(Error::LayerMissing(_)) => Ok(None),
            result => result.map(Some),
        }
    }

    /// The layer that the index has for `diff_id`, which may be gone.
    pub(crate) fn indexed(&self, diff_id: &DiffId) -> Result<Option<LayerId>> {
        let path = self.diff_id_path(diff_id);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::io("read", &path)(error)),
        };
        // An entry that was not on the disk yet when the power failed.
        if text.is_empty() {
            return Ok(None);
        }
        text.trim_end().parse().map(Some).map_err(Error::damaged::<Error>(&path))
    }

    /// Adds a layer that the blob `blob` holds, or notes the blob with the layer that is here already.
    ///
    /// The blob may come later. What it holds is checked against `diff_id` when the layer is unpacked.
    ///
    /// # Errors
    /// The file system refuses.
    pub fn add_blob_layer(&self, diff_id: DiffId, blob: Descriptor) -> Result<Layer> {
        self.leases().take(Leased::blob(&blob.digest))?;
        let size = (blob.digest == *diff_id.digest()).then_some(blob.size);
        if let Some(layer) = self.layer_by_diff_id(&diff_id)? {
            layer.update(|entry| note_blob(entry, blob, size))?;
            return Ok(layer);
        }
        let entry = LayerEntry { diff_id: Some(diff_id), size, blobs: vec![blob.clone()], ..LayerEntry::default() };
        let layer = self.publish_layer(&LayerId::of_diff_id(&diff_id), &self.staging()?, &entry)?;
        layer.update(|entry| note_blob(entry, blob, size))?;
        Ok(layer)
    }

    /// Makes the staging directory `staged`, in which `fs` may be, the layer `id`. If that layer is here already, it
    /// stays and what was staged is dropped.
    pub(crate) fn publish_layer(&self, id: &LayerId, staged: &StagingDir, entry: &LayerEntry) -> Result<Layer> {
        let layer = stage(staged)?;
        durable::write(staged.path(), &layer.join("layer.json"), &durable::encode("a layer", entry)?)?;
        let layer = self.publish_staged(id, &layer)?;
        durable::sync_parent(&layer.path())?;
        entry.diff_id.map_or(Ok(()), |diff_id| layer.index(&diff_id))?;
        Ok(layer)
    }

    /// Makes the staging directory `staged`, which holds the files `fs` and nothing else, a new layer, without waiting
    /// for the disk.
    pub(crate) fn publish_unsynced_layer(&self, staged: StagingDir) -> Result<Layer> {
        let entry = durable::encode("a layer", &LayerEntry::default())?;
        self.link_template("layer.json", &entry, &staged.path().join("layer.json"))?;
        self.publish_unsynced(staged)
    }

    fn publish_unsynced(&self, staged: StagingDir) -> Result<Layer> {
        self.mark_unsynced(staged.path())?;
        let id = LayerId::random()?;
        self.leases().take(Leased::layer(&id))?;
        let target = self.layer_path(&id);
        staged.publish(&target).map_err(Error::io("create", &target))?;
        Ok(Layer { store: self.clone(), id })
    }

    /// The same, with its files over those of the layer `onto`.
    pub(crate) fn publish_unsynced_layer_onto(&self, onto: &LayerId, staged: StagingDir) -> Result<Layer> {
        let entry = LayerEntry { onto: Some(onto.clone()), ..LayerEntry::default() };
        let entry = durable::encode("a layer", &entry)?;
        durable::write_unsynced(self.staging_area()?, &staged.path().join("layer.json"), &entry)?;
        // The layer's entry is a reference to the one below.
        let _no_sweep = self.no_sweep()?;
        self.publish_unsynced(staged)
    }

    fn publish_staged(&self, id: &LayerId, layer: &Path) -> Result<Layer> {
        self.leases().take(Leased::layer(id))?;
        let target = self.layer_path(id);
        match fs::rename(layer, &target) {
            Ok(()) => {}
            Err(error) if matches!(error.kind(), io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists) => {}
            Err(error) => return Err(Error::io("create", &target)(error)),
        }
        Ok(Layer { store: self.clone(), id: id.clone() })
    }

    pub(crate) fn layer_path(&self, id: &LayerId) -> PathBuf {
        self.path("layers").join(id.as_str())
    }

    pub(crate) fn diff_id_path(&self, diff_id: &DiffId) -> PathBuf {
        self.path("diff-ids").join(diff_id.digest().hex())
    }
}

/// The directory of a layer to be, with the files that were staged.
fn stage(staged: &StagingDir) -> Result<PathBuf> {
    let layer = staged.path().join("layer");
    fs::create_dir(&layer).map_err(Error::io("create", &layer))?;
    let files = staged.path().join("fs");
    if files.exists() {
        fs::rename(&files, layer.join("fs")).map_err(Error::io("rename", &files))?;
    }
    Ok(layer)
}

fn note_blob(entry: &mut LayerEntry, blob: Descriptor, size: Option<u64>) {
    entry.size = entry.size.or(size);
    if !entry.blobs.iter().any(|known| known.digest == blob.digest) {
        entry.blobs.push(blob);
    }
}

impl Layer {
    /// Whether the layer was made in this store, not received.
    pub(crate) fn is_made_here(&self) -> bool {
        self.id.is_made_here()
    }

    /// The layer's name in the store.
    pub fn id(&self) -> &LayerId {
        &self.id
    }

    /// The store that it is in.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The layer's directory.
    pub(crate) fn path(&self) -> PathBuf {
        self.store.layer_path(&self.id)
    }

    /// Blobs of the store that hold this layer, compressed or not.
    ///
    /// # Errors
    /// The layer's entry cannot be read.
    pub fn blobs(&self) -> Result<Vec<Descriptor>> {
        let blobs = self.entry()?.blobs;
        Ok(blobs.into_iter().filter(|blob| self.store.has_blob(&blob.digest)).collect())
    }

    /// Blobs that are known to hold this layer, whether the store has them or not.
    ///
    /// # Errors
    /// The layer's entry cannot be read.
    pub fn known_blobs(&self) -> Result<Vec<Descriptor>> {
        Ok(self.entry()?.blobs)
    }

    /// Whether the store has what the layer holds, in any form. A layer without is known by its blobs alone, which
    /// somebody has to get before its files can be looked at.
    ///
    /// # Errors
    /// The layer's entry cannot be read.
    pub fn has_content(&self) -> Result<bool> {
        Ok(self.is_unpacked() || !self.blobs()?.is_empty())
    }

    /// The size of the uncompressed tar in bytes; as long as nobody has unpacked the layer, that of its blob.
    ///
    /// # Errors
    /// The layer's entry cannot be read.
    pub fn size(&self) -> Result<u64> {
        let entry = self.entry()?;
        Ok(entry.size.or(entry.blobs.first().map(|blob| blob.size)).unwrap_or(0))
    }

    /// Bytes on disk of its unpacked files, counted anew; 0 as long as it is not unpacked.
    pub fn disk_size(&self) -> u64 {
        tree_size(&self.path().join("fs"))
    }

    /// The diff id, if somebody needed it before.
    ///
    /// # Errors
    /// The layer's entry cannot be read.
    pub fn known_diff_id(&self) -> Result<Option<DiffId>> {
        Ok(self.entry()?.diff_id)
    }

    pub(crate) fn entry(&self) -> Result<LayerEntry> {
        durable::read(&self.entry_path())?.ok_or_else(|| Error::LayerMissing(self.id.to_string()))
    }

    /// Changes the entry, one process at a time; writes it only if it became another.
    pub(crate) fn update(&self, change: impl FnOnce(&mut LayerEntry)) -> Result<()> {
        let _lock = durable::lock_directory(&self.store.path("layers"))?;
        let before = self.entry()?;
        let mut after = before.clone();
        change(&mut after);
        if after != before {
            self.write(&self.entry_path(), &durable::encode("a layer", &after)?)?;
        }
        after.diff_id.map_or(Ok(()), |diff_id| self.index(&diff_id))
    }

    fn entry_path(&self) -> PathBuf {
        self.path().join("layer.json")
    }

    /// Makes the layer the one to find by `diff_id`, unless another is.
    pub(crate) fn index(&self, diff_id: &DiffId) -> Result<()> {
        if self.store.layer_by_diff_id(diff_id)?.is_some() {
            return Ok(());
        }
        self.index_instead(diff_id)
    }

    /// Makes the layer the one to find by `diff_id`, also if another was.
    pub(crate) fn index_instead(&self, diff_id: &DiffId) -> Result<()> {
        let path: &Path = &self.store.diff_id_path(diff_id);
        self.write(path, format!("{}\n", self.id).as_bytes())
    }

    /// What is said of files that are not on the disk need not be there before them.
    fn write(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        if unsynced::is_marked(&self.path()) {
            return durable::write_unsynced(self.store.staging_area()?, path, bytes);
        }
        self.store.write_file(path, bytes)
    }
}

impl PartialEq for Layer {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id && self.store.root() == other.store.root()
    }
}
