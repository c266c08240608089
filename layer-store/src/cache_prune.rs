//! Removes parts of the build cache: what is chosen, or what was not used for longest until the rest fits a budget.
//!
//! Layers have no owner but those who name them: removing a record frees a layer when it was the last record that
//! stood on it. So a step at the bottom counts with all that stand on it, and goes after them.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;

use crate::cache_usage::{CacheItem, CacheItemKind, CacheUsage};
use crate::error::{Error, Result};
use crate::gc::{SweepOptions, Swept};
use crate::layer_entry::LayerId;
use crate::staging::StagingDir;
use crate::store::Store;

/// What goes.
pub struct CachePrune<'a> {
    /// Which items may go.
    pub choose: &'a dyn Fn(&CacheItem) -> bool,
    /// Bytes that the cache may keep: it stops as soon as it takes no more. 0 removes all that was chosen.
    pub keep: u64,
    /// What to do while others use the store, and how old downloads may become.
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
    /// Removes items of the cache, least recently used first. What another process holds stays.
    ///
    /// # Errors
    /// Other processes use the store ([`Error::InUse`]), an entry is damaged, or the file system refuses.
    pub fn prune_cache(&self, prune: &CachePrune<'_>) -> Result<CachePruned> {
        // What is over budget now is looked at before the lock, so that those who are within wait for nobody.
        let usage = self.cache_usage()?;
        if victims(&usage, prune).is_empty() {
            self.note_cache_size(usage.total());
            return Ok(CachePruned::default());
        }
        self.forget_cache_size();
        let mut pruned = Vec::new();
        let mut swept = self.sweep_after(prune.sweep, |trash| {
            for item in victims(&self.cache_usage()?, prune) {
                self.discard_item(&item, trash)?;
                pruned.push(item);
            }
            Ok(())
        })?;
        let others = pruned.iter().filter(|item| item.record.is_none());
        swept.bytes += others.map(|item| item.size).sum::<u64>();
        Ok(CachePruned { items: pruned, swept })
    }

    fn discard_item(&self, item: &CacheItem, trash: &StagingDir) -> Result<()> {
        let path = match &item.kind {
            CacheItemKind::Step(key) => return self.remove_record(key).map(drop),
            CacheItemKind::Mount(name) => self.path("cache-mounts").join(name),
            CacheItemKind::Context(name) => self.path("contexts").join(name),
            CacheItemKind::Listing(name) => self.path("listings").join(name),
            CacheItemKind::Download(name) => self.path("partial").join(name),
        };
        let target: PathBuf = trash.path().join(path.strip_prefix(self.root()).unwrap_or(&path));
        let directory = target.parent().unwrap_or(trash.path());
        fs::create_dir_all(directory).map_err(Error::io("create", directory))?;
        fs::rename(&path, &target).map_err(Error::io("remove", &path))
    }
}

/// What has to go, in order.
fn victims(usage: &CacheUsage, prune: &CachePrune<'_>) -> Vec<CacheItem> {
    let mut left = Left::of(usage);
    let mut victims = Vec::new();
    for item in usage.items.iter().rev().filter(|item| !item.in_use && (prune.choose)(item)) {
        if prune.keep > 0 && left.total <= prune.keep {
            break;
        }
        left.remove(item, usage);
        victims.push(item.clone());
    }
    victims
}

/// What is left of the cache while items are taken away.
struct Left<'a> {
    total: u64,
    /// How many records stand on each layer.
    users: HashMap<&'a LayerId, usize>,
}

impl<'a> Left<'a> {
    fn of(usage: &'a CacheUsage) -> Self {
        let mut users = HashMap::new();
        let records = usage.items.iter().filter_map(|item| item.record.as_ref());
        records.flat_map(|record| record.layers()).for_each(|layer| *users.entry(layer).or_insert(0) += 1);
        Self { total: usage.total(), users }
    }

    fn remove(&mut self, item: &'a CacheItem, usage: &CacheUsage) {
        let Some(record) = &item.record else {
            self.total = self.total.saturating_sub(item.size);
            return;
        };
        for layer in record.layers() {
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
