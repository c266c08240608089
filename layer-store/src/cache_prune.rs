//! Removes parts of the build cache: what is chosen, or what was not used for longest until the rest fits a budget.
//!
//! Layers have no owner but those who name them: removing a record frees a layer when it was the last record that
//! stood on it. So a step at the bottom counts with all that stand on it, and goes after them.

use std::collections::HashMap;
use std::path::Path;

use crate::cache_usage::{CacheItem, CacheItemKind, CacheUsage};
use crate::durable;
use crate::error::Result;
use crate::gc::{SweepOptions, Swept, discard, try_flock};
use crate::layer_id::LayerId;
use crate::leases::Leased;
use crate::oci::ImageId;
use crate::record::CacheKey;
use crate::staging::StagingDir;
use crate::store::Store;

/// What goes.
pub struct CachePrune<'a> {
    /// Which items may go.
    pub choose: &'a dyn Fn(&CacheItem) -> bool,
    /// Bytes that the cache may keep: it stops as soon as it takes no more. 0 removes all that was chosen.
    pub keep: u64,
    /// How old downloads may become.
    pub sweep: SweepOptions,
}

/// What went.
#[derive(Debug, Clone, Default)]
pub struct CachePruned {
    /// The items, those that were not used for longest first.
    pub items: Vec<CacheItem>,
    /// Everything that became free, layers and blobs included.
    pub swept: Swept,
}

impl Store {
    /// Removes items of the cache, least recently used first, and then what nobody needs any more. What another process
    /// has leased or locked stays.
    ///
    /// # Errors
    /// An entry is damaged, or the file system refuses.
    pub fn prune_cache(&self, prune: &CachePrune<'_>) -> Result<CachePruned> {
        // Sizes are measured before others have to wait, and found noted afterwards.
        self.measure_cache_mounts();
        let mut items = Vec::new();
        let swept = self.sweep_after(prune.sweep, |trash| {
            let usage = self.cache_usage()?;
            let mut left = Left::of(&usage);
            for item in usage.items.iter().rev().filter(|item| !item.in_use && (prune.choose)(item)) {
                if prune.keep > 0 && left.total <= prune.keep {
                    break;
                }
                if prune.keep > 0 && usage.is_all_pinned(item) {
                    continue;
                }
                if self.discard_item(item, trash)? {
                    left.remove(item, &usage);
                    items.push(item.clone());
                }
            }
            self.note_cache_size(left.total);
            Ok(())
        })?;
        Ok(CachePruned { items, swept })
    }

    /// Whether the item could go: nobody had leased or locked it since it was looked at.
    fn discard_item(&self, item: &CacheItem, trash: &StagingDir) -> Result<bool> {
        match &item.kind {
            CacheItemKind::Step(key) => self.discard_record(key, item),
            CacheItemKind::Image(id) => self.discard_image(id),
            CacheItemKind::Mount(name) => {
                let directory = self.path("cache-mounts").join(name);
                discard_locked((&directory, &directory.join("lock")), trash)
            }
            CacheItemKind::Context(name) => discard_file(&self.path("contexts").join(name), trash),
            CacheItemKind::Listing(name) => discard_file(&self.path("listings").join(name), trash),
            CacheItemKind::Download(name) => discard_file(&self.path("partial").join(name), trash),
        }
    }

    /// Whoever finds a record has leased its layers before it looks whether the record is still there.
    fn discard_record(&self, key: &CacheKey, item: &CacheItem) -> Result<bool> {
        let layer = item.record.as_ref().and_then(|record| record.layer.as_ref());
        let alone = layer.map(|layer| self.leases().alone_with(Leased::layer(layer))).transpose()?;
        if matches!(alone, Some(None)) {
            return Ok(false);
        }
        self.remove_record(key).map(|_| true)
    }

    /// No image gets a name during a sweep.
    fn discard_image(&self, id: &ImageId) -> Result<bool> {
        let _lock = durable::lock_directory(&self.path("images"))?;
        self.forget_unused_image(id)
    }
}

fn discard_file(path: &Path, trash: &StagingDir) -> Result<bool> {
    discard_locked((path, path), trash)
}

/// Moves `path` to the trash unless somebody has the flock of `lock`.
fn discard_locked((path, lock): (&Path, &Path), trash: &StagingDir) -> Result<bool> {
    let Some(_lock) = try_flock(lock)? else { return Ok(false) };
    discard(path, trash).map(|()| true)
}

/// What is left of the cache while items are taken away.
struct Left<'a> {
    total: u64,
    /// How many items keep each layer.
    users: HashMap<&'a LayerId, usize>,
}

impl<'a> Left<'a> {
    fn of(usage: &'a CacheUsage) -> Self {
        let mut users = HashMap::new();
        usage.items.iter().flat_map(|item| &item.layers).for_each(|layer| *users.entry(layer).or_insert(0) += 1);
        Self { total: usage.total(), users }
    }

    fn remove(&mut self, item: &'a CacheItem, usage: &CacheUsage) {
        if item.record.is_none() {
            self.total = self.total.saturating_sub(item.size);
        }
        for layer in &item.layers {
            let users = self.users.entry(layer).or_insert(1);
            *users -= 1;
            if *users == 0 {
                self.total = self.total.saturating_sub(usage.layers.get(layer).copied().unwrap_or(0));
            }
        }
    }
}

#[cfg(test)]
mod tests;
