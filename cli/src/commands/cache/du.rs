//! `dhow cache du`: the sizes, in the form of `docker buildx du`.

use dhow_layer_store::CacheItem;
use jiff::Timestamp;
use serde_json::Value;

use super::filter::ItemFilter;
use super::row::{Length, Row, is_reclaimable};
use crate::app::App;
use crate::args::CacheDuArgs;
use crate::exit::Exit;
use crate::format::{Listing, Style, human};
use crate::output;

/// Headers that are not just the field's name.
const HEADERS: &[(&str, &str)] = &[("LastUsedSince", "LAST ACCESSED")];
const COLUMNS: &str = "{{.ID}}\t{{.Reclaimable}}\t{{.Size}}\t{{.LastUsedSince}}";
/// The fields of `--verbose`, in order: name in the row, and what it is called.
const FIELDS: [(&str, &str); 8] = [
    ("ID", "ID"),
    ("CreatedAt", "Created at"),
    ("Reclaimable", "Reclaimable"),
    ("Shared", "Shared"),
    ("Size", "Size"),
    ("Description", "Description"),
    ("LastUsedSince", "Last used"),
    ("Type", "Type"),
];

/// Runs the command.
pub(crate) fn run(app: &App, args: &CacheDuArgs) -> anyhow::Result<Exit> {
    let filter = ItemFilter::parse(&args.filters)?;
    let style = Style::parse(args.format.as_deref(), COLUMNS)?;
    let (usage, now) = (app.store()?.cache_usage()?, Timestamp::now());
    let items: Vec<&CacheItem> = usage.items.iter().filter(|item| filter.takes(item)).collect();
    let rows: Vec<Value> = items.iter().map(|item| Row::value(item, Length::Full, now)).collect();
    if args.verbose {
        output::print(&rows.iter().map(block).collect::<String>())?;
    } else {
        output::print(&Listing { headers: HEADERS, rows }.render(&style)?)?;
    }
    if matches!(style, Style::Table(_)) {
        output::print(&totals(&items))?;
    }
    Ok(Exit::Success)
}

fn block(row: &Value) -> String {
    let text = |field: &str| row[field].as_str().map_or_else(|| row[field].to_string(), str::to_owned);
    FIELDS.iter().map(|(field, name)| format!("{:<13} {}\n", format!("{name}:"), text(field))).collect::<String>()
        + "\n"
}

/// What is shared with images is counted there too.
fn totals(items: &[&CacheItem]) -> String {
    let sum = |wanted: fn(&CacheItem) -> bool| -> u64 {
        items.iter().filter(|item| wanted(item)).map(|item| item.size).sum()
    };
    let lines: [(&str, u64); 4] = [
        ("Shared", sum(|item| item.shared)),
        ("Private", sum(|item| !item.shared)),
        ("Reclaimable", sum(is_reclaimable)),
        ("Total", sum(|_| true)),
    ];
    lines.iter().map(|(name, bytes)| format!("{:<14} {}\n", format!("{name}:"), human::size(*bytes))).collect()
}
