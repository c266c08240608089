//! `dhow cache why`: what is known of a step in the cache, and why it had to be executed.

use anyhow::Result;
use dhow_builder::why;
use dhow_layer_store::{ListedRecord, Store};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::app::App;
use crate::args::CacheWhyArgs;
use crate::exit::Exit;
use crate::format::{Template, ago, calendar, human};
use crate::output;
use crate::problem::Problem;

/// Fewer digits than this are rather the text of a step than the beginning of a key.
const LEAST_DIGITS: usize = 6;

/// Runs the command.
pub(crate) fn run(app: &App, args: &CacheWhyArgs) -> Result<Exit> {
    let store = app.store()?;
    let found = find(&store, &args.step)?;
    let told: Vec<Value> = found.iter().map(|record| tell(&store, record)).collect::<Result<_>>()?;
    let text = match args.format.as_deref() {
        Some("json") => told.iter().map(|step| format!("{step}\n")).collect(),
        Some(template) => {
            let template = Template::parse(template)?;
            let lines: Result<Vec<String>, _> = told.iter().map(|step| template.render(step)).collect();
            lines?.join("\n") + "\n"
        }
        None => told.iter().map(block).collect::<Vec<_>>().join("\n"),
    };
    output::print(&text)?;
    Ok(Exit::Success)
}

/// The steps whose key begins with `wanted`, else those that have it in their names, what was made last first.
fn find(store: &Store, wanted: &str) -> Result<Vec<ListedRecord>> {
    let mut records = store.records()?;
    records.retain(|listed| listed.record.name.is_some());
    let is_key = |listed: &ListedRecord| wanted.len() >= LEAST_DIGITS && listed.key.0.hex().starts_with(wanted);
    let by_key = records.iter().any(is_key);
    let named = |listed: &ListedRecord| listed.record.name.as_deref().is_some_and(|name| name.contains(wanted));
    records.retain(|listed| if by_key { is_key(listed) } else { named(listed) });
    records.sort_by(|a, b| b.record.created.cmp(&a.record.created));
    if records.is_empty() {
        return Err(Problem::new(format!("no step in the cache has the key or the text `{wanted}`"))
            .hint("`dhow cache ls --filter type=regular` lists all steps")
            .into());
    }
    Ok(records)
}

fn tell(store: &Store, listed: &ListedRecord) -> Result<Value> {
    let now = Timestamp::now();
    let used = Timestamp::try_from(listed.last_used).map(|time| time.to_string()).unwrap_or_default();
    let reasons = why(store, listed)?;
    let lines: Vec<String> = reasons.iter().map(ToString::to_string).collect();
    Ok(json!({
        "ID": listed.key.0.hex(),
        "Name": listed.record.name,
        "CreatedAt": calendar(&listed.record.created),
        "CreatedSince": ago(Some(&listed.record.created), now),
        "LastUsedSince": ago(Some(&used), now),
        "Size": human::size(listed.record.size),
        "Reasons": reasons,
        "Why": lines.join("; "),
        "Inputs": listed.record.inputs,
    }))
}

/// One step for people; what entered its key comes last.
fn block(step: &Value) -> String {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let mut lines = vec![text(&step["Name"])];
    let mut line = |name: &str, value: &str| lines.push(format!("  {:<12} {value}", format!("{name}:")));
    line("key", &text(&step["ID"]));
    line("executed", &format!("{} ({})", text(&step["CreatedAt"]), text(&step["CreatedSince"])));
    line("last used", &text(&step["LastUsedSince"]));
    line("size", &text(&step["Size"]));
    line("why", &text(&step["Why"]));
    for (name, value) in step["Inputs"].as_object().into_iter().flatten().filter(|(name, _)| *name != "about") {
        line(name, &text(value));
    }
    lines.join("\n") + "\n"
}
