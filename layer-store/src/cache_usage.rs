//! What the build cache takes on disk, item by item: step records with their layers, images that a newer one has
//! taken the name from, directories of cache mounts, the memories of contexts and listings, and downloads that broke off.
//!
//! Only the accounts; what is removed, and when, is in `cache_prune.rs`. What each directory is for: `store.rs`.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::fs::{self, File, TryLockError};
use std::path::Path;
use std::time::SystemTime;

use crate::error::{Error, Result};
use crate::layer_cost::LayerCosts;
use crate::layer_id::LayerId;
use crate::leases::Leased;
use crate::left_image::LeftImage;
use crate::oci::ImageId;
use crate::record::{CacheKey, CacheRecord, ListedRecord};
use crate::refs::names_in;
use crate::store::Store;
use crate::tree_size::file_size;

/// What an item of the cache is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum CacheItemKind {
    /// What a build step came to.
    Step(CacheKey),
    /// An image without a name, which had one until another image took it (`left_image.rs`).
    Image(ImageId),
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
    /// Bytes on disk that are its own: of a step, those of the layer that it made; of an image, those of its config.
    pub size: u64,
    /// Whether images or containers need its layer, so that removing it frees nothing.
    pub shared: bool,
    /// Whether a running process has leased or locked it.
    pub in_use: bool,
    /// When it was last used. A step counts as used when one above it was.
    pub last_used: SystemTime,
    /// The step's record; `None` for other kinds.
    pub record: Option<CacheRecord>,
    /// The layers that it keeps in the store, each once.
    pub(crate) layers: Vec<LayerId>,
}

/// The accounts of the whole cache.
#[derive(Debug, Clone, Default)]
pub struct CacheUsage {
    /// All items, those used last first; of steps with equal times the lower ones first.
    pub items: Vec<CacheItem>,
    /// Bytes of the layers that items need and that neither other images nor containers do.
    pub(crate) layers: HashMap<LayerId, u64>,
}

impl CacheUsage {
    /// Bytes that would be free without the cache: each layer counts once, layers of images and containers not at all.
    pub fn total(&self) -> u64 {
        let others = self.items.iter().filter(|item| item.record.is_none()).map(|item| item.size);
        self.layers.values().sum::<u64>() + others.sum::<u64>()
    }

    /// Whether the item stands on layers, and all of them stay whatever becomes of it.
    pub(crate) fn is_all_pinned(&self, item: &CacheItem) -> bool {
        !item.layers.is_empty() && !item.layers.iter().any(|layer| self.layers.contains_key(layer))
    }
}

impl Store {
    /// What the cache takes.
    ///
    /// # Errors
    /// An entry is damaged, or the file system refuses.
    pub fn cache_usage(&self) -> Result<CacheUsage> {
        let mut costs = LayerCosts::new(self);
        let left = self.unneeded_images()?;
        let (pinned, mut needed) = (self.pinned_layers(&left)?, HashSet::new());
        needed.extend(left.iter().flat_map(|image| image.layers.iter().cloned()).chain(pinned.iter().cloned()));
        self.add_layers_below(&mut needed)?;
        let records = self.records()?;
        let own = records.iter().filter_map(|listed| Some((listed.record.layer.as_ref()?, listed.record.size)));
        own.for_each(|(layer, size)| costs.know(layer, size));
        let mut items = self.step_items(records, &needed)?;
        for image in left {
            items.push(self.image_item(image)?);
        }
        let mut layers = HashMap::new();
        for item in &mut items {
            item.layers = costs.with_below(item.layers.iter())?;
            for id in item.layers.iter().filter(|id| !pinned.contains(id)) {
                if let Entry::Vacant(entry) = layers.entry(id.clone()) {
                    entry.insert(costs.bytes(id)?);
                }
            }
        }
        items.extend(self.mount_items()?);
        items.extend(self.files_of("contexts", CacheItemKind::Context)?);
        items.extend(self.files_of("listings", CacheItemKind::Listing)?);
        items.extend(self.files_of("partial", CacheItemKind::Download)?);
        let depth = |item: &CacheItem| item.record.as_ref().map_or(0, |record| record.stack.layers().len());
        items.sort_by_key(|item| (std::cmp::Reverse(item.last_used), depth(item)));
        Ok(CacheUsage { items, layers })
    }

    /// The layers of all containers, and of all images but the `left` ones.
    fn pinned_layers(&self, left: &[LeftImage]) -> Result<HashSet<LayerId>> {
        let mut pinned: HashSet<LayerId> = self.container_stacks()?.into_iter().flatten().collect();
        for id in self.image_ids()?.into_iter().filter(|id| !left.iter().any(|image| image.id == *id)) {
            pinned.extend(self.image_record(&id)?.into_iter().flat_map(|record| record.layers));
        }
        self.add_layers_below(&mut pinned)?;
        Ok(pinned)
    }

    /// The records as items: a step is used when one that stands on its layer is.
    fn step_items(&self, records: Vec<ListedRecord>, needed: &HashSet<LayerId>) -> Result<Vec<CacheItem>> {
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
            let is_leased = |layer| self.leases().is_held_elsewhere(Leased::layer(layer));
            Ok(CacheItem {
                kind: CacheItemKind::Step(listed.key),
                size: listed.record.size,
                shared: layer.is_some_and(|layer| needed.contains(layer)),
                in_use: layer.map(is_leased).transpose()?.unwrap_or(false),
                last_used: above.map_or(listed.last_used, |above| above.max(listed.last_used)),
                layers: listed.record.layers().cloned().collect(),
                record: Some(listed.record),
            })
        };
        records.into_iter().map(item).collect()
    }

    fn image_item(&self, image: LeftImage) -> Result<CacheItem> {
        let size = fs::metadata(self.blob_path(image.id.digest())).map_or(0, |metadata| file_size(&metadata));
        let leases = self.leases();
        let in_use = leases.is_held(Leased::image(&image.id)) || leases.is_image_held_elsewhere(&image.id)?;
        let item = CacheItem::plain(CacheItemKind::Image(image.id), size, image.left);
        Ok(CacheItem { in_use, layers: image.layers, ..item })
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
    pub(crate) fn plain(kind: CacheItemKind, size: u64, last_used: SystemTime) -> Self {
        Self { kind, size, shared: false, in_use: false, last_used, record: None, layers: Vec::new() }
    }
}

/// Whether somebody has the flock of the file.
pub(crate) fn is_locked(path: &Path) -> bool {
    File::open(path).is_ok_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock)))
}
