//! One item of the build cache as people see it.

use dhow_layer_store::{CacheItem, CacheItemKind};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::format::{ago, calendar, ellipsis, human};

/// Digits of an id that is cut.
const SHORT_ID: usize = 12;
/// Width of the column with the description.
const DESCRIPTION: usize = 60;

/// How much of an id and a description is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Length {
    /// As much as a table has room for.
    Short,
    /// All.
    Full,
}

/// What an item is called.
pub(super) struct Row {
    /// The key of a step, or the name of a directory or file.
    pub(super) id: String,
    /// What the Dockerfile says, or what it is.
    pub(super) description: String,
}

/// Docker's names of the types; those that docker has not are dhow's own.
pub(super) fn kind_name(kind: &CacheItemKind) -> &'static str {
    match kind {
        CacheItemKind::Step(_) => "regular",
        CacheItemKind::Image(_) => "image",
        CacheItemKind::Mount(_) => "exec.cachemount",
        CacheItemKind::Context(_) => "source.local",
        CacheItemKind::Listing(_) => "internal",
        CacheItemKind::Download(_) => "source.download",
    }
}

impl Row {
    /// The names of `item`.
    pub(super) fn of(item: &CacheItem) -> Self {
        let (id, description) = match &item.kind {
            CacheItemKind::Step(key) => {
                let name = item.record.as_ref().and_then(|record| record.name.clone());
                (key.0.hex(), name.unwrap_or_else(|| "digest of copied files".to_owned()))
            }
            CacheItemKind::Image(id) => (id.digest().hex(), "image whose name went to a newer one".to_owned()),
            CacheItemKind::Mount(name) => (name.clone(), "files of RUN --mount=type=cache".to_owned()),
            CacheItemKind::Context(name) => (name.clone(), "digests of a build context".to_owned()),
            CacheItemKind::Listing(name) => (name.clone(), "list of copied files".to_owned()),
            CacheItemKind::Download(name) => (name.clone(), "part of a download".to_owned()),
        };
        // A tab would begin another column.
        Self { id, description: description.replace(['\t', '\n'], " ") }
    }

    /// The fields of `item` for templates and JSON.
    pub(super) fn value(item: &CacheItem, length: Length, now: Timestamp) -> Value {
        let row = Self::of(item);
        let used = Timestamp::try_from(item.last_used).map(|time| time.to_string()).unwrap_or_default();
        let created = item.record.as_ref().map(|record| record.created.clone()).unwrap_or_default();
        let cut = |text: &str, width: usize| match length {
            Length::Short => ellipsis(text, width),
            Length::Full => text.to_owned(),
        };
        let digits = if length == Length::Short { SHORT_ID.min(row.id.len()) } else { row.id.len() };
        json!({
            "ID": row.id[..digits],
            "Type": kind_name(&item.kind),
            "Description": cut(&row.description, DESCRIPTION),
            "Size": human::size(item.size),
            "Bytes": item.size,
            "CreatedAt": if created.is_empty() { "N/A".to_owned() } else { calendar(&created) },
            "CreatedSince": ago(Some(&created), now),
            "LastUsedAt": calendar(&used),
            "LastUsedSince": ago(Some(&used), now),
            "Shared": item.shared,
            "InUse": item.in_use,
            "Reclaimable": is_reclaimable(item),
        })
    }
}

/// Whether removing the item gives disk back.
pub(super) fn is_reclaimable(item: &CacheItem) -> bool {
    !item.shared && !item.in_use
}
