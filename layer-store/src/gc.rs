//! Garbage collection: whatever no image, name, build record or container needs is removed.
//!
//! What is *wanted* is decided elsewhere, by removing images (`removal.rs`) and records (`record.rs`). A sweep has the
//! store for itself: no command of another process is running, so whatever is not marked is in nobody's hands.

use std::collections::HashSet;
use std::fs::{self, TryLockError};
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::durable;
use crate::error::{Error, Result};
use crate::layer_entry::LayerId;
use crate::oci::{Descriptor, DiffId, Digest, Index, Manifest, ManifestKind};
use crate::refs::names_in;
use crate::staging::{self, StagingDir};
use crate::store::Store;

/// What to do while other processes use the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenBusy {
    /// Give up with [`Error::InUse`].
    Fail,
    /// Wait until they have ended.
    Wait,
}

/// How a sweep is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SweepOptions {
    /// What to do while other processes use the store.
    pub when_busy: WhenBusy,
    /// Downloads that broke off are kept for so long.
    pub keep_partial: Duration,
}

impl Default for SweepOptions {
    fn default() -> Self {
        Self { when_busy: WhenBusy::Fail, keep_partial: Duration::from_secs(24 * 3600) }
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

/// All that somebody needs.
#[derive(Debug, Default)]
struct Marked {
    blobs: HashSet<Digest>,
    layers: HashSet<LayerId>,
}

impl Store {
    /// Removes every blob and layer that no image, name, build record or container needs.
    ///
    /// The caller must have nothing else under way on this store: what it has written, but not yet named, goes.
    ///
    /// # Errors
    /// Other processes use the store, an entry is damaged (nothing is removed then), or the file system refuses.
    pub fn sweep(&self, options: SweepOptions) -> Result<Swept> {
        self.sweep_after(options, |_| Ok(()))
    }

    /// Sweeps after `first` has done its part, which then has the store for itself and may move things to the trash.
    pub(crate) fn sweep_after(
        &self,
        options: SweepOptions,
        first: impl FnOnce(&StagingDir) -> Result<()>,
    ) -> Result<Swept> {
        // Removing files takes long on some disks; it happens when the trash is dropped, after the lock is given back.
        let trash = self.staging()?;
        self.lock_alone(options.when_busy)?;
        let result =
            first(&trash).and_then(|()| self.mark()).and_then(|marked| self.sweep_unmarked(&marked, options, &trash));
        self.lock_file().lock_shared().map_err(Error::io("lock", self.root()))?;
        result
    }

    fn lock_alone(&self, when_busy: WhenBusy) -> Result<()> {
        // From here on others may have taken away what was seen before.
        self.ready().clear();
        let lock = self.lock_file();
        let outcome = match when_busy {
            WhenBusy::Wait => return lock.lock().map_err(Error::io("lock", self.root())),
            WhenBusy::Fail => lock.try_lock(),
        };
        match outcome {
            Ok(()) => Ok(()),
            Err(TryLockError::WouldBlock) => {
                // A conversion that fails has let go of the shared lock as well.
                lock.lock_shared().map_err(Error::io("lock", self.root()))?;
                Err(Error::InUse(self.root().to_owned()))
            }
            Err(TryLockError::Error(error)) => Err(Error::io("lock", self.root())(error)),
        }
    }

    fn mark(&self) -> Result<Marked> {
        let mut marked = Marked::default();
        for id in self.image_ids()? {
            let Some(record) = self.image_record(&id)? else { continue };
            marked.blobs.insert(record.config.digest);
            marked.layers.extend(record.layers);
            for manifest in &record.manifests {
                self.mark_document(manifest, &mut marked)?;
            }
        }
        for (_, target) in self.references()? {
            target.manifest.map_or(Ok(()), |manifest| self.mark_document(&manifest, &mut marked))?;
        }
        for listed in self.records()? {
            marked.layers.extend(listed.record.layer);
            marked.layers.extend(listed.record.stack.0);
        }
        marked.layers.extend(self.container_layers()?);
        self.add_layers_below(&mut marked.layers)?;
        for id in &marked.layers {
            if let Ok(layer) = self.layer(id) {
                marked.blobs.extend(layer.entry()?.blobs.iter().map(|blob| blob.digest));
            }
        }
        Ok(marked)
    }

    /// Marks a manifest or an index, and what of its content is here.
    fn mark_document(&self, document: &Descriptor, marked: &mut Marked) -> Result<()> {
        if !marked.blobs.insert(document.digest) || !self.has_blob(&document.digest) {
            return Ok(());
        }
        let bytes = self.read_blob(document)?;
        let malformed = |source| Error::Malformed { what: "manifest", digest: document.digest, source };
        match ManifestKind::detect(&document.media_type, &bytes) {
            Some(ManifestKind::Index) => {
                let index: Index = serde_json::from_slice(&bytes).map_err(malformed)?;
                index.manifests.iter().try_for_each(|entry| self.mark_document(entry, marked))
            }
            Some(ManifestKind::Manifest) => {
                let manifest: Manifest = serde_json::from_slice(&bytes).map_err(malformed)?;
                marked.blobs.insert(manifest.config.digest);
                marked.blobs.extend(manifest.layers.iter().map(|layer| layer.digest));
                Ok(())
            }
            Some(ManifestKind::Schema1) | None => Ok(()),
        }
    }

    /// A container's file `layers` has the id of each layer that it stands on, one a line.
    pub(crate) fn container_layers(&self) -> Result<HashSet<LayerId>> {
        let mut found = HashSet::new();
        let containers = self.path("containers");
        for name in names_in(&containers)? {
            let path = containers.join(name).join("layers");
            let Ok(text) = fs::read_to_string(&path) else { continue };
            for line in text.lines() {
                found.insert(line.parse().map_err(Error::damaged::<Error>(&path))?);
            }
        }
        Ok(found)
    }

    fn sweep_unmarked(&self, marked: &Marked, options: SweepOptions, trash: &StagingDir) -> Result<Swept> {
        let mut swept = self.sweep_layers(marked, trash)?;
        let is_marked = |name: &str| Digest::from_hex(name).is_ok_and(|digest| marked.blobs.contains(&digest));
        let blobs = self.path("blobs/sha256");
        for name in names_in(&blobs)? {
            if !is_marked(&name) {
                swept.bytes += discard(&blobs.join(name), trash)?;
                swept.blobs += 1;
            }
        }
        let partial = self.path("partial");
        for name in names_in(&partial)? {
            let path = partial.join(name);
            if is_older(&path, options.keep_partial) {
                swept.bytes += discard(&path, trash)?;
                swept.partials += 1;
            }
        }
        // A note of where a blob is stays also if the blob is not here: it may be wanted yet.
        let origins = self.path("origins");
        for name in names_in(&origins)? {
            if !is_marked(&name) {
                durable::remove(&origins.join(name))?;
            }
        }
        staging::clear_leftovers(&self.path("tmp"))?;
        Ok(swept)
    }

    /// Of two layers with one diff id the index knows one, which may go: then the other is to be found, at every moment.
    fn index_again(&self, marked: &Marked) -> Result<()> {
        for id in &marked.layers {
            let layer = match self.layer(id) {
                Err(Error::LayerMissing(_)) => continue,
                other => other?,
            };
            let Some(diff_id) = layer.known_diff_id()? else { continue };
            let stays = self.layer_by_diff_id(&diff_id)?.is_some_and(|found| marked.layers.contains(found.id()));
            if !stays {
                layer.index_instead(&diff_id)?;
            }
        }
        Ok(())
    }

    fn sweep_layers(&self, marked: &Marked, trash: &StagingDir) -> Result<Swept> {
        self.index_again(marked)?;
        let mut swept = Swept::default();
        let layers = self.path("layers");
        for name in names_in(&layers)? {
            if !name.parse().is_ok_and(|id| marked.layers.contains(&id)) {
                swept.bytes += discard(&layers.join(&name), trash)?;
                swept.layers += 1;
            }
        }
        let index = self.path("diff-ids");
        for name in names_in(&index)? {
            let path = index.join(&name);
            let diff_id = DiffId(Digest::from_hex(&name).map_err(Error::damaged(&path))?);
            if self.layer_by_diff_id(&diff_id)?.is_none() {
                durable::remove(&path)?;
            }
        }
        Ok(swept)
    }
}

/// Moves a file or a tree to the trash, in one step, so that nobody sees it half removed; its size in bytes.
fn discard(path: &Path, trash: &StagingDir) -> Result<u64> {
    let is_tree = path.is_dir();
    let size = if is_tree { bytes_in(path) } else { fs::symlink_metadata(path).map_or(0, |metadata| metadata.len()) };
    // A layer, a blob and a partial download may have the same name.
    let mut target = trash.path().join(path.file_name().unwrap_or_default());
    while target.exists() {
        target.as_mut_os_string().push("+");
    }
    fs::rename(path, &target).map_err(Error::io("remove", path))?;
    Ok(size)
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
mod tests {
    use std::fs;
    use std::time::Duration;

    use serde_json::json;

    use super::{SweepOptions, Swept, WhenBusy};
    use crate::error::Error;
    use crate::layer_entry::{LayerId, Stack};
    use crate::oci::{Descriptor, DiffId, Digest, Manifest, MediaType};
    use crate::record::{CacheKey, CacheRecord};
    use crate::test_store::TestStore;

    fn layer(store: &TestStore, content: &[u8]) -> LayerId {
        let blob = store.put_blob(MediaType::OciLayer, content).expect("blob");
        store.add_blob_layer(DiffId(blob.digest), blob).expect("layer").id().clone()
    }

    #[test]
    fn what_somebody_needs_stays_and_the_rest_goes() {
        let store = TestStore::new();
        let by_image = layer(&store, b"image");
        let by_record = layer(&store, b"record");
        let by_container = layer(&store, b"container");
        let by_nobody = layer(&store, b"nobody");
        store.put_blob(MediaType::OciLayer, b"stray").expect("blob");
        let image = store.add_image_on(std::slice::from_ref(&by_image));
        let config = store.image(&image).expect("image").config_descriptor;
        let received = Descriptor::of(MediaType::OciLayerGzip, b"received");
        store.put_blob(MediaType::OciLayerGzip, b"received").expect("blob");
        let manifest = serde_json::to_vec(&Manifest::oci(config, vec![received.clone()])).expect("manifest");
        let manifest = store.put_blob(MediaType::OciManifest, &manifest).expect("blob");
        store.tag(&"a".parse().expect("name"), &image, Some(manifest.clone())).expect("tag");
        let record = CacheRecord::new(Some(by_record.clone()), Stack::default(), json!(null));
        store.put_record(&CacheKey(Digest::of(b"")), &record).expect("record");
        fs::create_dir(store.path("containers/c")).expect("container");
        fs::write(store.path("containers/c/layers"), format!("{by_container}\n")).expect("container");
        let nobodys = store.layer(&by_nobody).expect("layer").known_diff_id().expect("entry").expect("diff id");

        let swept = store.sweep(SweepOptions::default()).expect("sweep");
        assert_eq!((swept.blobs, swept.layers, swept.partials), (2, 1, 0));
        assert!(swept.bytes > 11, "{swept:?}");
        for kept in [&by_image, &by_record, &by_container] {
            let blob = &store.layer(kept).expect("kept").blobs().expect("entry")[0];
            assert!(store.has_blob(&blob.digest));
        }
        assert!(store.has_blob(&received.digest) && store.has_blob(&manifest.digest));
        assert!(store.layer(&by_nobody).is_err());
        assert!(store.layer_by_diff_id(&nobodys).expect("index").is_none());
        assert_eq!(store.sweep(SweepOptions::default()).expect("sweep"), Swept::default());
        assert!(store.staging_is_empty());
    }

    #[test]
    fn a_store_in_use_is_not_swept() {
        let store = TestStore::new();
        let other = store.reopened();
        let stray = store.put_blob(MediaType::OciLayer, b"stray").expect("blob");
        assert!(matches!(store.sweep(SweepOptions::default()), Err(Error::InUse(_))));
        assert!(store.has_blob(&stray.digest));
        let wait = SweepOptions { when_busy: WhenBusy::Wait, ..SweepOptions::default() };
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| store.sweep(wait));
            std::thread::sleep(Duration::from_millis(50));
            drop(other);
            assert_eq!(waiting.join().expect("no panic").expect("sweep").blobs, 1);
        });
    }

    #[test]
    fn old_downloads_go_and_new_ones_stay() {
        let store = TestStore::new();
        let blob = Descriptor::of(MediaType::OciLayer, b"content");
        drop(store.resume_blob(&blob).expect("begin"));
        assert_eq!(store.sweep(SweepOptions::default()).expect("sweep").partials, 0);
        let now = SweepOptions { keep_partial: Duration::ZERO, ..SweepOptions::default() };
        assert_eq!(store.sweep(now).expect("sweep").partials, 1);
    }
}
