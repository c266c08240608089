//! Which unchanged files stay in a layer for the sake of hard links.
//!
//! `ln old new` leaves `old` as it was. Were it left out, `new` would lose its partner and carry all bytes again, so a
//! file stays if any of its other names is new or changed.

use std::collections::HashMap;

use crate::root::{FileId, Metadata};

/// What is known of the files with several names.
#[derive(Debug, Default)]
pub(super) struct Links {
    /// Whether any name of the file is part of the layer by itself.
    groups: HashMap<FileId, bool>,
}

impl Links {
    /// Notes one name of a file.
    pub(super) fn note(&mut self, metadata: &Metadata, unchanged: bool) {
        *self.groups.entry(metadata.id).or_insert(false) |= !unchanged;
    }

    /// Whether a file with several names, all of which were noted, belongs in the layer.
    pub(super) fn is_kept(&self, metadata: &Metadata) -> bool {
        self.groups.get(&metadata.id).copied().unwrap_or(true)
    }

    /// Whether some file has only unchanged names.
    pub(super) fn has_unchanged(&self) -> bool {
        self.groups.values().any(|changed| !changed)
    }
}
