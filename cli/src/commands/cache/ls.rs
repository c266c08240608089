//! `dhow cache ls`: every item of the build cache.

use dhow_layer_store::CacheItem;
use jiff::Timestamp;

use super::filter::ItemFilter;
use super::row::{Length, Row};
use crate::app::App;
use crate::args::CacheListArgs;
use crate::exit::Exit;
use crate::format::{Listing, Style};
use crate::output;

/// Headers that are not just the field's name.
const HEADERS: &[(&str, &str)] = &[("LastUsedSince", "LAST USED"), ("CreatedSince", "CREATED")];
const COLUMNS: &str = "{{.ID}}\t{{.Type}}\t{{.Size}}\t{{.Shared}}\t{{.LastUsedSince}}\t{{.Description}}";

/// Runs the command.
pub(crate) fn run(app: &App, args: &CacheListArgs) -> anyhow::Result<Exit> {
    let filter = ItemFilter::parse(&args.filters)?;
    let style = match args.quiet {
        true => Style::lines("{{.ID}}")?,
        false => Style::parse(args.format.as_deref(), COLUMNS)?,
    };
    let length = if args.no_trunc || args.format.as_deref() == Some("json") { Length::Full } else { Length::Short };
    let (usage, now) = (app.store()?.cache_usage()?, Timestamp::now());
    let shown = usage.items.iter().filter(|item| filter.takes(item));
    let rows = shown.map(|item: &CacheItem| Row::value(item, length, now)).collect();
    output::print(&Listing { headers: HEADERS, rows }.render(&style)?)?;
    Ok(Exit::Success)
}
