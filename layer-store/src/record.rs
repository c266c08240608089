//! What build steps came to: `cache/<hex>.json`, by the digest of everything that went into the step.
//!
//! How a key is made is the builder's business. A record that is damaged or whose layers are gone is a miss, so that
//! records need no sync: a power failure costs a step, not the build.

use std::fs::{self, File, FileTimes};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::durable;
use crate::error::{Error, Result};
use crate::image::now;
use crate::layer_id::{LayerId, Stack};
use crate::oci::Digest;
use crate::refs::names_in;
use crate::store::Store;

/// Identifies a build step with all its inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CacheKey(pub Digest);

/// What a build step came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CacheRecord {
    /// The layer that the step made; `None` if it changed no file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layer: Option<LayerId>,
    /// The layers below and the step's own.
    pub stack: Stack,
    /// What people call the step, such as `RUN make`; `None` where it is none of a Dockerfile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What went into the key, to explain misses; the builder's own words.
    pub inputs: serde_json::Value,
    /// When the step ran, RFC 3339.
    pub created: String,
    /// Size of the layer that the step made, in bytes on disk.
    pub size: u64,
}

impl CacheRecord {
    /// A record of a step that ran just now.
    pub fn new(layer: Option<LayerId>, stack: Stack, inputs: serde_json::Value) -> Self {
        Self { layer, stack, name: None, inputs, created: now(), size: 0 }
    }

    /// The same with the name that people know the step by.
    #[must_use]
    pub fn named(self, name: &str) -> Self {
        Self { name: Some(name.to_owned()), ..self }
    }

    /// The same with the size in bytes of the layer that the step made.
    #[must_use]
    pub fn sized(self, size: u64) -> Self {
        Self { size, ..self }
    }

    /// All layers that it needs; the step's own comes twice where it is part of the stack too.
    pub(crate) fn layers(&self) -> impl Iterator<Item = &LayerId> {
        self.stack.layers().iter().chain(&self.layer)
    }
}

/// A record in a list.
#[derive(Debug, Clone, PartialEq)]
pub struct ListedRecord {
    /// Its key.
    pub key: CacheKey,
    /// The record.
    pub record: CacheRecord,
    /// When a build last used it.
    pub last_used: SystemTime,
}

impl Store {
    /// The record with this key, if it can be used: all its layers are here, and are leased. Counts as a use.
    ///
    /// # Errors
    /// The file system refuses.
    pub fn record(&self, key: &CacheKey) -> Result<Option<CacheRecord>> {
        let path = self.record_path(key);
        let Some(record) = read(&path)? else { return Ok(None) };
        let survived = |id: &LayerId| self.layer(id).and_then(|layer| layer.survived()).unwrap_or(false);
        if !record.layers().all(|id| self.layer(id).is_ok()) || !record.layer.as_ref().is_none_or(survived) {
            return Ok(None);
        }
        // One that was removed before its layers were leased may have gone with those of the steps below.
        Ok(mark_used(&path)?.then_some(record))
    }

    /// Writes a record, over one with the same key.
    ///
    /// # Errors
    /// The file system refuses.
    pub fn put_record(&self, key: &CacheKey, record: &CacheRecord) -> Result<()> {
        let path = self.record_path(key);
        let _no_sweep = self.no_sweep()?;
        durable::write_unsynced(self.staging_area()?, &path, &durable::encode("a cache record", record)?)
    }

    /// All records that can be read, those used last first.
    ///
    /// # Errors
    /// The file system refuses.
    pub fn records(&self) -> Result<Vec<ListedRecord>> {
        let directory = self.path("cache");
        let mut records = Vec::new();
        for name in names_in(&directory)? {
            let path = directory.join(&name);
            let key = Digest::from_hex(name.strip_suffix(".json").unwrap_or(&name));
            let key = CacheKey(key.map_err(Error::damaged(&path))?);
            let Some(record) = read(&path)? else { continue };
            let Ok(last_used) = fs::metadata(&path).and_then(|metadata| metadata.modified()) else { continue };
            records.push(ListedRecord { key, record, last_used });
        }
        records.sort_by_key(|listed| std::cmp::Reverse((listed.last_used, listed.key)));
        Ok(records)
    }

    /// Removes a record; whether there was one. Layers that only it used go with the next sweep.
    ///
    /// # Errors
    /// The file system refuses.
    pub fn remove_record(&self, key: &CacheKey) -> Result<bool> {
        durable::remove(&self.record_path(key))
    }

    fn record_path(&self, key: &CacheKey) -> PathBuf {
        self.path("cache").join(key.0.hex() + ".json")
    }
}

fn read(path: &Path) -> Result<Option<CacheRecord>> {
    match durable::read(path) {
        Err(Error::Damaged { .. }) => Ok(None),
        result => result,
    }
}

/// The time of the last use is the file's modification time. Whether the file was there.
fn mark_used(path: &Path) -> Result<bool> {
    let times = FileTimes::new().set_modified(SystemTime::now());
    match File::open(path).and_then(|file| file.set_times(times)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        other => other.map(|()| true).map_err(Error::io("touch", path)),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::{Duration, SystemTime};

    use serde_json::json;

    use super::{CacheKey, CacheRecord};
    use crate::layer_id::Stack;
    use crate::oci::{DiffId, Digest, MediaType};
    use crate::test_store::TestStore;

    #[test]
    fn a_record_is_found_as_long_as_its_layers_are_here() {
        let store = TestStore::new();
        let blob = store.put_blob(MediaType::OciLayer, b"tar").expect("blob");
        let layer = store.add_blob_layer(DiffId(blob.digest), blob).expect("layer").id().clone();
        let key = CacheKey(Digest::of(b"key"));
        assert_eq!(store.record(&key).expect("look-up"), None);

        let stack = Stack(vec![layer.clone()]);
        let record = CacheRecord::new(Some(layer.clone()), stack, json!({"instruction": "RUN true"}));
        store.put_record(&key, &record).expect("put");
        assert_eq!(store.reopened().record(&key).expect("look-up"), Some(record));

        fs::remove_dir_all(store.layer_path(&layer)).expect("remove");
        assert_eq!(store.record(&key).expect("look-up"), None);
        assert!(store.remove_record(&key).expect("remove"));
        assert!(!store.remove_record(&key).expect("remove"));
    }

    #[test]
    fn a_damaged_record_is_a_miss() {
        let store = TestStore::new();
        let key = CacheKey(Digest::of(b"key"));
        fs::write(store.path("cache").join(key.0.hex() + ".json"), "").expect("damage");
        assert_eq!(store.record(&key).expect("look-up"), None);
        assert!(store.records().expect("list").is_empty());
    }

    #[test]
    fn a_look_up_counts_as_a_use() {
        let store = TestStore::new();
        let keys = [b"a", b"b"].map(|key| CacheKey(Digest::of(key)));
        let record = CacheRecord::new(None, Stack::default(), json!(null));
        for (key, age) in keys.iter().zip([9, 5]) {
            store.put_record(key, &record).expect("put");
            let file = fs::File::open(store.record_path(key)).expect("file");
            file.set_modified(SystemTime::now() - Duration::from_secs(age)).expect("time");
        }
        let listed = || store.records().expect("list").iter().map(|listed| listed.key).collect::<Vec<_>>();
        assert_eq!(listed(), [keys[1], keys[0]]);
        store.record(&keys[0]).expect("look-up").expect("hit");
        assert_eq!(listed(), keys);
    }
}
