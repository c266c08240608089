//! `dhow cache prune`: removes parts of the build cache.

use dhow_layer_store::{CacheItem, CacheItemKind, CachePrune, SweepOptions};

use super::filter::ItemFilter;
use super::row::Row;
use crate::app::App;
use crate::args::CachePruneArgs;
use crate::exit::Exit;
use crate::format::human;
use crate::output::{self, confirm};
use crate::wiring::Budget;

/// Runs the command.
pub(crate) fn run(app: &App, args: &CachePruneArgs) -> anyhow::Result<Exit> {
    let filter = ItemFilter::parse(&args.filters)?;
    let store = app.store()?;
    let keep = args.keep_storage.as_deref().map(|text| Budget::parse(text)?.bytes(&store));
    let keep = keep.transpose()?.unwrap_or(0);
    let what = if args.all { "all build cache" } else { "all build cache that no image shares" };
    if !args.force && !confirm(&format!("WARNING! This will remove {what}.\nAre you sure you want to continue?"))? {
        return Ok(Exit::Success);
    }
    // An image is no cache to those who ask for all of it to go; a budget is for both.
    let is_meant = |item: &CacheItem| keep > 0 || !matches!(item.kind, CacheItemKind::Image(_));
    let choose = |item: &CacheItem| (args.all || !item.shared) && is_meant(item) && filter.takes(item);
    let pruned = store.prune_cache(&CachePrune { choose: &choose, keep, sweep: SweepOptions::default() })?;
    let ids: Vec<String> = pruned.items.iter().map(|item| Row::of(item).id).collect();
    if !ids.is_empty() {
        output::print(&format!("Deleted build cache objects:\n{}\n\n", ids.join("\n")))?;
    }
    output::println(&format!("Total reclaimed space: {}", human::size(pruned.swept.bytes)))?;
    Ok(Exit::Success)
}
