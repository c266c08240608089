//! `dhow history`: how an image was made, the last step first.

use dhow_layer_store::Image;
use dhow_layer_store::oci::History;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::app::App;
use crate::args::HistoryArgs;
use crate::exit::Exit;
use crate::format::{Listing, Style, ago, calendar, ellipsis, human};
use crate::output;

/// Headers that are not just the field's name.
const HEADERS: &[(&str, &str)] =
    &[("ID", "IMAGE"), ("CreatedSince", "CREATED"), ("CreatedAt", "CREATED AT"), ("CreatedBy", "CREATED BY")];
/// Width of the column with the instruction.
const CREATED_BY: usize = 45;

/// Runs the command.
pub(crate) fn run(app: &App, args: &HistoryArgs) -> anyhow::Result<Exit> {
    let store = app.store()?;
    let image = store.image(&store.require(&args.image)?.image)?;
    let columns = match args.human {
        true => "{{.ID}}\t{{.CreatedSince}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}",
        false => "{{.ID}}\t{{.CreatedAt}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}",
    };
    let style = match args.quiet {
        true => Style::lines("{{.ID}}")?,
        false => Style::parse(args.format.as_deref(), columns)?,
    };
    let listing = Listing { headers: HEADERS, rows: rows(app, &image, args)? };
    output::print(&listing.render(&style)?)?;
    Ok(Exit::Success)
}

fn rows(app: &App, image: &Image, args: &HistoryArgs) -> anyhow::Result<Vec<Value>> {
    let mut sizes = Vec::new();
    for layer in &image.layers {
        sizes.push(app.store()?.layer(layer)?.size()?);
    }
    let mut sizes = sizes.into_iter();
    let now = Timestamp::now();
    let mut rows: Vec<Value> = Vec::new();
    for entry in &image.config.history {
        let size = if entry.empty_layer { 0 } else { sizes.next().unwrap_or(0) };
        rows.push(row(entry, size, now, args));
    }
    // Layers that the history does not tell of are still there.
    rows.extend(sizes.map(|size| row(&History::default(), size, now, args)));
    if let Some(top) = rows.last_mut() {
        top["ID"] = Value::from(if args.no_trunc { image.id.to_string() } else { image.id.digest().short() });
    }
    rows.reverse();
    Ok(rows)
}

fn row(entry: &History, size: u64, now: Timestamp, args: &HistoryArgs) -> Value {
    let created_by = entry.created_by.as_deref().unwrap_or_default().replace('\t', " ");
    json!({
        "ID": "<missing>",
        "CreatedSince": ago(entry.created.as_deref(), now),
        "CreatedAt": entry.created.as_deref().map_or_else(|| "N/A".to_owned(), calendar),
        "CreatedBy": if args.no_trunc { created_by } else { ellipsis(&created_by, CREATED_BY) },
        "Size": if args.human { human::size(size) } else { size.to_string() },
        "Comment": entry.comment.as_deref().unwrap_or_default(),
    })
}
