//! What a copy made before its sources changed, so that only what changed since has to be copied.
//!
//! A layer may lie on another one: its files are those that changed, over those of the layer that the same copy made
//! before. That is only done where the outcome is the same as that of a whole copy: one directory of a context, from
//! which nothing went away and in which nothing became of another type. What is kept must look as the copy would make it
//! (`transfer.rs`), times included. A long pile of such layers is copied anew.

use std::collections::HashSet;
use std::path::PathBuf;

use dhow_layer_store::{CacheKey, CacheRecord, FileKind, LayerId, SnapshotterChoice, Stack, Store};
use serde_json::json;

use crate::cache::{KeyBuilder, Listing};
use crate::context::{Match, Presence};
use crate::error::Result;
use crate::exec::selection::Selection;
use crate::plan::{CopyOp, CopySource, FilesFrom};

/// How many layers may lie on each other.
const MOST_PARTS: usize = 8;

/// The layer of an earlier copy, and what it lacks.
#[derive(Debug)]
pub(crate) struct Previous {
    pub(crate) layer: LayerId,
    /// Files that are new or were changed, by their paths below the directory that is copied.
    pub(crate) changed: HashSet<PathBuf>,
}

/// The place of a copy: what it is when its sources are left aside.
pub(crate) struct CopyPlace {
    key: CacheKey,
    below: Stack,
    name: String,
}

impl CopyPlace {
    /// The place of `op` on the layers `below`; `None` for copies that are always made whole.
    pub(crate) fn of(op: &CopyOp, below: &Stack, store: &Store) -> Option<Self> {
        let [CopySource::Files(files)] = op.sources.as_slice() else { return None };
        let is_plain = !op.link && !files.unpack && files.parents.is_none() && files.from == FilesFrom::Context;
        if !is_plain || store.options().snapshotter == SnapshotterChoice::Copy {
            return None;
        }
        let mut key = KeyBuilder::new("place of a copy");
        let layers: Vec<&str> = below.layers().iter().map(LayerId::as_str).collect();
        key.list("layers", &layers);
        key.text("path", &files.path);
        key.text("to", &op.destination);
        key.optional("owner", op.owner.as_deref());
        key.optional("mode", op.mode.as_ref().map(|mode| format!("{mode:?}")).as_deref());
        key.list("excludes", &op.excludes);
        let name = format!("last COPY {} {}", files.path, op.destination);
        Some(Self { key: key.finish().key, below: below.clone(), name })
    }

    /// What the copy made here when it was last executed, if `selection` can be made from it with less work.
    pub(crate) fn previous(&self, store: &Store, selection: &Selection) -> Result<Option<Previous>> {
        let Some(found) = directory_of(selection) else { return Ok(None) };
        let Some(record) = store.record(&self.key)? else { return Ok(None) };
        let before = record.inputs.get("selection").and_then(|digest| Listing::load(store, digest.as_str()?));
        let (Some(layer), Some(before)) = (record.layer, before) else { return Ok(None) };
        if store.layer(&layer)?.parts()?.len() >= MOST_PARTS {
            return Ok(None);
        }
        let Some(changed) = before.only_changed_to(selection.listing()) else { return Ok(None) };
        if changed.len() * 2 > found.entries.len() {
            return Ok(None);
        }
        let below_match = |entry: &&crate::context::Entry| {
            changed.contains(&*found.real_path(entry).to_string_lossy().replace('\n', "\\n"))
        };
        let changed = found.entries.iter().filter(below_match).map(|entry| entry.path.clone()).collect();
        Ok(Some(Previous { layer, changed }))
    }

    /// Remembers what the copy made of `selection`.
    pub(crate) fn remember(&self, store: &Store, selection: &str, layer: &LayerId) -> Result<()> {
        let inputs = json!({ "kind": "place of a copy", "selection": selection });
        let record = CacheRecord::new(Some(layer.clone()), self.below.clone(), inputs).named(&self.name);
        Ok(store.put_record(&self.key, &record)?)
    }
}

/// The one directory that is selected, whole and without hard links.
fn directory_of(selection: &Selection) -> Option<&Match> {
    let [found] = selection.matches.as_deref()? else { return None };
    let is_plain = |entry: &crate::context::Entry| {
        entry.presence == Presence::Selected && (entry.metadata.kind != FileKind::Regular || entry.metadata.links < 2)
    };
    let is_directory = found.top().metadata.kind == FileKind::Directory;
    (is_directory && found.entries.iter().all(is_plain)).then_some(found)
}
