//! What layers take on disk, for the accounts of the cache; each layer's entry is read once.

use std::collections::{HashMap, HashSet};

use crate::error::{Error, Result};
use crate::layer_entry::LayerEntry;
use crate::layer_id::LayerId;
use crate::store::Store;

/// About what a layer takes beside its files: two directories, its entry, its place in the index, its record.
const OVERHEAD: u64 = 24 * 1024;

/// Layers that were looked at. One that is gone has no entry.
pub(crate) struct LayerCosts<'a> {
    store: &'a Store,
    entries: HashMap<LayerId, Option<LayerEntry>>,
    /// Bytes of files, as the steps that made the layers have counted them.
    files: HashMap<LayerId, u64>,
}

impl<'a> LayerCosts<'a> {
    pub(crate) fn new(store: &'a Store) -> Self {
        Self { store, entries: HashMap::new(), files: HashMap::new() }
    }

    /// Notes what somebody has counted already; 0 is not a count.
    pub(crate) fn know(&mut self, id: &LayerId, files: u64) {
        if files > 0 {
            self.files.insert(id.clone(), files);
        }
    }

    /// The layers, each once, and those that they lie on.
    pub(crate) fn with_below<'b>(&mut self, ids: impl Iterator<Item = &'b LayerId>) -> Result<Vec<LayerId>> {
        let (mut seen, mut all) = (HashSet::new(), Vec::new());
        for id in ids {
            let mut next = Some(id.clone());
            while let Some(id) = next.filter(|id| seen.insert(id.clone())) {
                next = self.entry(&id)?.and_then(|entry| entry.onto.clone());
                all.push(id);
            }
        }
        Ok(all)
    }

    /// Bytes of the layer's files and of its blobs that are here, and about what there is for each layer.
    pub(crate) fn bytes(&mut self, id: &LayerId) -> Result<u64> {
        let (store, known) = (self.store, self.files.get(id).copied());
        let Some(entry) = self.entry(id)? else { return Ok(0) };
        let here = entry.blobs.iter().filter(|blob| store.has_unleased_blob(&blob.digest));
        let blobs: u64 = here.map(|blob| blob.size).sum();
        let noted = entry.size.filter(|size| *size > 0);
        let files = match (known, store.unleased_layer(id)) {
            (Some(known), _) => known,
            (None, Ok(layer)) if layer.is_unpacked() => noted.unwrap_or_else(|| layer.disk_size()),
            (None, _) => 0,
        };
        Ok(blobs + files + OVERHEAD)
    }

    fn entry(&mut self, id: &LayerId) -> Result<Option<&LayerEntry>> {
        if !self.entries.contains_key(id) {
            let entry = match self.store.unleased_layer(id).and_then(|layer| layer.entry()) {
                Ok(entry) => Some(entry),
                Err(Error::LayerMissing(_)) => None,
                Err(error) => return Err(error),
            };
            self.entries.insert(id.clone(), entry);
        }
        Ok(self.entries.get(id).and_then(Option::as_ref))
    }
}
