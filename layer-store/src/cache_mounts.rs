//! The sizes of `RUN --mount=type=cache` directories, which grow without the store's doing.
//!
//! Who makes and locks them is the builder (`exec/cache_mount.rs`): it touches `lock` at the begin and at the end of each use.

use std::fs;
use std::path::PathBuf;
use std::time::SystemTime;

use crate::cache_usage::{CacheItem, CacheItemKind, is_locked};
use crate::error::Result;
use crate::refs::names_in;
use crate::store::Store;
use crate::tree_size::{measured_size, noted_size};

/// A directory, and when it was last used.
struct CacheMount {
    name: String,
    path: PathBuf,
    last_used: SystemTime,
}

impl Store {
    pub(crate) fn mount_items(&self) -> Result<Vec<CacheItem>> {
        let item = |mount: CacheMount| {
            let size = measured_size(&mount.path, mount.last_used);
            let in_use = is_locked(&mount.path.join("lock"));
            CacheItem { in_use, ..CacheItem::plain(CacheItemKind::Mount(mount.name), size, mount.last_used) }
        };
        Ok(self.cache_mounts()?.into_iter().map(item).collect())
    }

    /// Measures the directories that were used since they were last measured, and no others; by how many bytes all of them
    /// have grown. One that shrinks while another grows is left for the next count.
    pub(crate) fn measure_cache_mounts(&self) -> u64 {
        let growth = |mount: &CacheMount| {
            let before = noted_size(&mount.path).unwrap_or(0);
            measured_size(&mount.path, mount.last_used).saturating_sub(before)
        };
        self.cache_mounts().map_or(0, |mounts| mounts.iter().map(growth).sum())
    }

    fn cache_mounts(&self) -> Result<Vec<CacheMount>> {
        let directory = self.path("cache-mounts");
        let mut mounts = Vec::new();
        for name in names_in(&directory)? {
            let path = directory.join(&name);
            let used = fs::metadata(path.join("lock")).and_then(|metadata| metadata.modified());
            // Without a lock it is being made, or removed.
            let Ok(last_used) = used else { continue };
            mounts.push(CacheMount { name, path, last_used });
        }
        Ok(mounts)
    }
}
