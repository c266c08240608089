//! What the build cache takes on disk, item by item: step records with their layers, directories of cache mounts, the
//! memories of contexts and listings, and downloads that broke off.
//!
//! Only the accounts; what is removed, and when, is in `cache_prune.rs`. What each directory is for: `store.rs`.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::fs::{self, File, TryLockError};
use std::path::Path;
use std::time::SystemTime;

use crate::error::{Error, Result};
use crate::layer_entry::LayerId;
use crate::record::{CacheKey, CacheRecord, ListedRecord};
use crate::refs::names_in;
use crate::store::Store;
use crate::tree_size::{file_size, measured_size};

/// What an item of the cache is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum CacheItemKind {
    /// What a build step came to.
    Step(CacheKey),
    /// A directory of `RUN --mount=type=cache`, by its name in `cache-mounts/`.
    Mount(String),
    /// The digests of a context's files, by its name in `contexts/`.
    Context(String),
    /// The files of a copied selection, by its name in `listings/`.
    Listing(String),
    /// A download that broke off, by its name in `partial/`.
    Download(String),
}

/// Something in the cache that can be removed by itself.
#[derive(Debug, Clone, PartialEq)]
pub struct CacheItem {
    /// What it is.
    pub kind: CacheItemKind,
    /// Bytes on disk that are its own: of a step, those of the layer that it made.
    pub size: u64,
    /// Whether images or containers need its layer, so that removing it frees nothing.
    pub shared: bool,
    /// Whether a running process holds it.
    pub in_use: bool,
    /// When it was last used. A step counts as used when one above it was.
    pub last_used: SystemTime,
    /// The step's record; `None` for other kinds.
    pub record: Option<CacheRecord>,
}

/// The accounts of the whole cache.
#[derive(Debug, Clone, Default)]
pub struct CacheUsage {
    /// All items, those used last first; of steps with equal times the lower ones first.
    pub items: Vec<CacheItem>,
    /// Bytes of the layers that steps need and that neither images nor containers do.
    pub(crate) layers: HashMap<LayerId, u64>,
}

impl CacheUsage {
    /// Bytes that would be free without the cache: each layer counts once, layers of images and containers not at all.
    pub fn total(&self) -> u64 {
        let others = self.items.iter().filter(|item| item.record.is_none()).map(|item| item.size);
        self.layers.values().sum::<u64>() + others.sum::<u64>()
    }
}

impl Store {
    /// What the cache takes.
    ///
    /// # Errors
    /// An entry is damaged, or the file system refuses.
    pub fn cache_usage(&self) -> Result<CacheUsage> {
        let pinned = self.pinned_layers()?;
        let records = self.records()?;
        let layers = self.layer_sizes(&records, &pinned)?;
        let mut items = step_items(records, &pinned);
        items.extend(self.mounts()?);
        items.extend(self.files_of("contexts", CacheItemKind::Context)?);
        items.extend(self.files_of("listings", CacheItemKind::Listing)?);
        items.extend(self.files_of("partial", CacheItemKind::Download)?);
        let depth = |item: &CacheItem| item.record.as_ref().map_or(0, |record| record.stack.layers().len());
        items.sort_by_key(|item| (std::cmp::Reverse(item.last_used), depth(item)));
        Ok(CacheUsage { items, layers })
    }

    /// The layers of all images and containers.
    fn pinned_layers(&self) -> Result<HashSet<LayerId>> {
        let mut pinned = self.container_layers()?;
        for id in self.image_ids()? {
            pinned.extend(self.image_record(&id)?.into_iter().flat_map(|record| record.layers));
        }
        self.add_layers_below(&mut pinned)?;
        Ok(pinned)
    }

    /// The bytes of each layer that a record needs and nobody else, its blobs included.
    fn layer_sizes(&self, records: &[ListedRecord], pinned: &HashSet<LayerId>) -> Result<HashMap<LayerId, u64>> {
        let mut sizes = HashMap::new();
        for ListedRecord { record, .. } in records {
            let made = record.layer.iter().map(|layer| (layer, Some(record.size).filter(|size| *size > 0)));
            for (id, size) in made.chain(record.stack.layers().iter().map(|layer| (layer, None))) {
                if !pinned.contains(id) && (size.is_some() || !sizes.contains_key(id)) {
                    sizes.insert(id.clone(), self.layer_cost(id, size)?);
                }
            }
        }
        let mut all: HashSet<LayerId> = sizes.keys().cloned().collect();
        self.add_layers_below(&mut all)?;
        for id in all.into_iter().filter(|id| !pinned.contains(id)) {
            if let Entry::Vacant(entry) = sizes.entry(id) {
                let cost = self.layer_cost(entry.key(), None)?;
                entry.insert(cost);
            }
        }
        Ok(sizes)
    }

    fn layer_cost(&self, id: &LayerId, files: Option<u64>) -> Result<u64> {
        let layer = match self.layer(id) {
            Err(Error::LayerMissing(_)) => return Ok(0),
            other => other?,
        };
        let blobs: u64 = layer.blobs()?.iter().map(|blob| blob.size).sum();
        let files = match files {
            Some(size) => size,
            None if !layer.is_unpacked() => 0,
            // Nobody needed the size yet: it is counted.
            None => Some(layer.size()?).filter(|size| *size > 0).unwrap_or_else(|| layer.disk_size()),
        };
        Ok(blobs + files)
    }

    fn mounts(&self) -> Result<Vec<CacheItem>> {
        let directory = self.path("cache-mounts");
        let mut items = Vec::new();
        for name in names_in(&directory)? {
            let path = directory.join(&name);
            // The lock file is touched by whoever uses the directory (`exec/cache_mount.rs` of the builder).
            let lock = path.join("lock");
            let Ok(last_used) = fs::metadata(&lock).and_then(|metadata| metadata.modified()) else { continue };
            let size = measured_size(&path, last_used);
            items.push(CacheItem {
                in_use: is_locked(&lock),
                ..CacheItem::plain(CacheItemKind::Mount(name), size, last_used)
            });
        }
        Ok(items)
    }

    fn files_of(&self, directory: &str, kind: fn(String) -> CacheItemKind) -> Result<Vec<CacheItem>> {
        let directory = self.path(directory);
        let mut items = Vec::new();
        for name in names_in(&directory)? {
            let path = directory.join(&name);
            let Ok(metadata) = fs::metadata(&path) else { continue };
            let last_used = metadata.modified().map_err(Error::io("read", &path))?;
            let in_use = is_locked(&path);
            items.push(CacheItem { in_use, ..CacheItem::plain(kind(name), file_size(&metadata), last_used) });
        }
        Ok(items)
    }
}

impl CacheItem {
    fn plain(kind: CacheItemKind, size: u64, last_used: SystemTime) -> Self {
        Self { kind, size, shared: false, in_use: false, last_used, record: None }
    }
}

/// The records as items: a step is used when one that stands on its layer is.
fn step_items(records: Vec<ListedRecord>, pinned: &HashSet<LayerId>) -> Vec<CacheItem> {
    let mut used: HashMap<LayerId, SystemTime> = HashMap::new();
    for listed in &records {
        for layer in listed.record.stack.layers() {
            let last = used.entry(layer.clone()).or_insert(listed.last_used);
            *last = listed.last_used.max(*last);
        }
    }
    let item = |listed: ListedRecord| {
        let layer = listed.record.layer.as_ref();
        let above = layer.and_then(|layer| used.get(layer)).copied();
        CacheItem {
            kind: CacheItemKind::Step(listed.key),
            size: listed.record.size,
            shared: layer.is_some_and(|layer| pinned.contains(layer)),
            in_use: false,
            last_used: above.map_or(listed.last_used, |above| above.max(listed.last_used)),
            record: Some(listed.record),
        }
    };
    records.into_iter().map(item).collect()
}

/// Whether somebody has the flock of the file.
fn is_locked(path: &Path) -> bool {
    File::open(path).is_ok_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock)))
}
