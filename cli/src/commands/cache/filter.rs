//! `--filter` of the cache's commands.

use dhow_layer_store::CacheItem;
use jiff::Timestamp;

use super::row::{Row, kind_name};
use crate::args::CacheFilterArgs;
use crate::format::{Filters, glob};
use crate::span;

/// The keys, in docker's spelling. `unused-for` is an older name of `until`.
const KEYS: [&str; 7] = ["id", "type", "description", "shared", "inuse", "until", "unused-for"];

/// Which items are meant.
pub(super) struct ItemFilter {
    filters: Filters,
    shared: Option<bool>,
    in_use: Option<bool>,
    until: Option<Timestamp>,
}

impl ItemFilter {
    /// The filter that was typed.
    ///
    /// # Errors
    /// There is no such key, or it does not take the value.
    pub(super) fn parse(typed: &CacheFilterArgs) -> anyhow::Result<Self> {
        let filters = Filters::parse(&typed.filters, &KEYS)?;
        let until = filters.value("until").or(filters.value("unused-for"));
        let until = until.map(|text| span::time(text, Timestamp::now())).transpose()?;
        Ok(Self { shared: filters.flag("shared")?, in_use: filters.flag("inuse")?, until, filters })
    }

    /// Whether the item is meant.
    pub(super) fn takes(&self, item: &CacheItem) -> bool {
        let row = Row::of(item);
        self.filters.any("id", |id| row.id.starts_with(id))
            && self.filters.any("type", |kind| kind == kind_name(&item.kind))
            && self.filters.any("description", |text| row.description.contains(text) || glob(text, &row.description))
            && self.shared.is_none_or(|shared| shared == item.shared)
            && self.in_use.is_none_or(|in_use| in_use == item.in_use)
            && self.until.is_none_or(|until| Timestamp::try_from(item.last_used).is_ok_and(|used| used < until))
    }
}
