//! `dhow ps`: the containers.

use dhow_runtime::{Container, ContainerState, ContainerStatus};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::run::{NetworkMode, Spec};
use crate::app::App;
use crate::args::PsArgs;
use crate::containers::{image_uses, short, volume_names};
use crate::exit::Exit;
use crate::format::{Filters, Listing, Style, ago, calendar, ellipsis, glob, human, seconds_since};
use crate::output;
use crate::problem::Problem;

/// Headers that are not just the field's name.
const HEADERS: &[(&str, &str)] = &[
    ("ID", "CONTAINER ID"),
    ("RunningFor", "CREATED"),
    ("CreatedAt", "CREATED AT"),
    ("LocalVolumes", "LOCAL VOLUMES"),
];
/// Docker's columns.
const COLUMNS: &str = "{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}";
/// Width of the column with the command.
const COMMAND: usize = 20;
/// The filters that there are.
const FILTERS: &[&str] = &["ancestor", "exited", "id", "label", "name", "network", "status", "volume"];

/// Runs the command.
pub(crate) fn run(app: &App, args: &PsArgs) -> anyhow::Result<Exit> {
    let filters = Filters::parse(&args.filters, FILTERS)?;
    let style = match args.quiet {
        true => Style::lines("{{.ID}}")?,
        false => Style::parse(args.format.as_deref(), COLUMNS)?,
    };
    let last = if args.latest { Some(1) } else { args.last.and_then(|count| usize::try_from(count).ok()) };
    let all = args.all || last.is_some() || filters.value("status").is_some() || filters.value("exited").is_some();
    let ancestors = ancestors(app, &filters)?;
    let mut rows = Vec::new();
    for container in app.containers()?.list()? {
        // One that is being removed has no state any more.
        let Ok(state) = container.state() else { continue };
        let shown = (all || state.status == ContainerStatus::Running)
            && takes(&filters, &container, &state)?
            && ancestors.as_ref().is_none_or(|ids| ids.contains(&container.config().image_id));
        if shown {
            rows.push(row(&container, &state, args)?);
        }
    }
    rows.truncate(last.unwrap_or(usize::MAX));
    output::print(&Listing { headers: HEADERS, rows }.render(&style)?)?;
    Ok(Exit::Success)
}

/// The ids of the images that `ancestor` filters mean.
fn ancestors(app: &App, filters: &Filters) -> anyhow::Result<Option<Vec<String>>> {
    if filters.value("ancestor").is_none() {
        return Ok(None);
    }
    let store = app.store()?;
    let mut ids = Vec::new();
    for name in filters.values("ancestor") {
        ids.extend(store.find(name)?.map(|found| found.image.to_string()));
    }
    // An image may be gone from the store while its containers are not.
    let used = image_uses(app)?.into_iter().map(|used| used.image.to_string());
    ids.extend(used.filter(|id| filters.values("ancestor").any(|name| id == name)));
    Ok(Some(ids))
}

fn takes(filters: &Filters, container: &Container, state: &ContainerState) -> anyhow::Result<bool> {
    let config = container.config();
    for status in filters.values("status") {
        if !matches!(status, "created" | "running" | "exited" | "paused" | "restarting" | "removing" | "dead") {
            return Err(Problem::usage(format!("`{status}` is not the status of a container")).into());
        }
    }
    let volumes = volume_names(container)?;
    let network = spec(container).map_or("host", |spec| NetworkMode::of(&spec.network).name());
    Ok(filters.any("status", |status| state.status.to_string() == status)
        && filters.any("exited", |code| {
            state.status == ContainerStatus::Exited
                && state.exit_code.map(|known| known.to_string()).as_deref() == Some(code)
        })
        && filters.any("id", |id| config.id.starts_with(id))
        && filters.any("name", |name| config.name.contains(name.trim_start_matches('/')) || glob(name, &config.name))
        && filters.any("network", |name| name == network)
        && filters.any("volume", |name| volumes.iter().any(|volume| volume == name))
        && filters.labels(|key| config.labels.get(key).map(String::as_str)))
}

fn spec(container: &Container) -> Option<Spec> {
    serde_json::from_value(container.config().data.clone()).ok()
}

fn row(container: &Container, state: &ContainerState, args: &PsArgs) -> anyhow::Result<Value> {
    let config = container.config();
    let now = Timestamp::now();
    let command = format!("\"{}\"", config.command.join(" "));
    let labels: Vec<String> = config.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let volumes = volume_names(container)?;
    let network = spec(container).map_or("host", |spec| NetworkMode::of(&spec.network).name());
    Ok(json!({
        "Command": if args.no_trunc { command } else { shortened(&command) },
        "CreatedAt": calendar(&config.created),
        "ID": if args.no_trunc { &config.id } else { short(&config.id) },
        "Image": config.image,
        "Labels": labels.join(","),
        "LocalVolumes": volumes.len().to_string(),
        "Mounts": volumes.join(","),
        "Names": config.name,
        "Networks": network,
        "Ports": "",
        "RunningFor": ago(Some(&config.created), now),
        "Size": "0B",
        "State": state.status.to_string(),
        "Status": status(state, now),
    }))
}

/// Docker keeps the closing quote.
fn shortened(command: &str) -> String {
    match command.chars().count() > COMMAND {
        true => ellipsis(command.trim_end_matches('"'), COMMAND - 1) + "\"",
        false => command.to_owned(),
    }
}

/// `Up 2 minutes`, `Exited (0) 5 seconds ago`, `Created`.
fn status(state: &ContainerState, now: Timestamp) -> String {
    let span = |time: &Option<String>| {
        let seconds = time.as_deref().and_then(|time| seconds_since(time, now));
        human::duration(seconds.unwrap_or(0))
    };
    match state.status {
        ContainerStatus::Created => "Created".to_owned(),
        ContainerStatus::Running => format!("Up {}", span(&state.started)),
        ContainerStatus::Exited => format!("Exited ({}) {} ago", state.exit_code.unwrap_or(0), span(&state.finished)),
    }
}

#[cfg(test)]
mod tests {
    use super::shortened;

    #[test]
    fn commands_are_shortened_inside_their_quotes() {
        assert_eq!(shortened("\"sleep 100\""), "\"sleep 100\"");
        assert_eq!(shortened("\"/docker-entrypoint.sh nginx\""), "\"/docker-entrypoin…\"");
    }
}
