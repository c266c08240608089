//! `dhow inspect`: everything about images and containers in docker's JSON, or what a template takes from it.

mod container;
mod image;
mod volume;

pub(crate) use volume::describe as volume;

use serde::Serialize;
use serde_json::Value;
use serde_json::ser::{PrettyFormatter, Serializer};

use crate::app::App;
use crate::args::InspectArgs;
use crate::exit::Exit;
use crate::format::Template;
use crate::output;
use crate::problem::Problem;
use crate::report;

/// Looks a name up; `None` if there is no such thing.
type Lookup = fn(&App, &InspectArgs, &str) -> anyhow::Result<Option<Value>>;

const CONTAINER: Lookup = |app, _, name| container::describe(app, name);
const IMAGE: Lookup = |app, args, name| image::describe(app, name, args.platform.as_deref());
const VOLUME: Lookup = |app, _, name| volume::describe(app, name);

/// `dhow inspect`: a container or, if there is none of that name, an image.
pub(crate) fn run(app: &App, args: &InspectArgs) -> anyhow::Result<Exit> {
    match args.kind.as_deref() {
        Some("image") => images(app, args),
        Some("container") => containers(app, args),
        Some("volume") => show(app, args, "volume", VOLUME),
        _ => show(app, args, "object", |app, args, name| {
            for lookup in [CONTAINER, IMAGE, VOLUME] {
                if let Some(found) = lookup(app, args, name)? {
                    return Ok(Some(found));
                }
            }
            Ok(None)
        }),
    }
}

/// `dhow image inspect`
pub(crate) fn images(app: &App, args: &InspectArgs) -> anyhow::Result<Exit> {
    show(app, args, "image", IMAGE)
}

/// `dhow container inspect`
pub(crate) fn containers(app: &App, args: &InspectArgs) -> anyhow::Result<Exit> {
    show(app, args, "container", CONTAINER)
}

/// Shows what was found, then says what was not.
fn show(app: &App, args: &InspectArgs, kind: &str, lookup: Lookup) -> anyhow::Result<Exit> {
    let mut exit = Exit::Success;
    let mut found = Vec::new();
    for name in &args.names {
        match lookup(app, args, name) {
            Ok(Some(value)) => found.push(value),
            Ok(None) => exit = report::report(&missing(kind, name).into()),
            Err(error) => exit = report::report(&error),
        }
    }
    output::print(&render(&found, args.format.as_deref())?)?;
    Ok(exit)
}

fn missing(kind: &str, name: &str) -> Problem {
    Problem::new(format!("no such {kind}: `{name}`")).hint("`dhow images` and `dhow ps -a` list what there is")
}

/// `values` as an indented list, or each by the template `format`.
///
/// # Errors
/// The template does not fit.
pub(crate) fn render(values: &[Value], format: Option<&str>) -> anyhow::Result<String> {
    match format {
        None => Ok(pretty(&values)? + "\n"),
        Some("json") => Ok(serde_json::to_string(values)? + "\n"),
        Some(text) => {
            let template = Template::parse(text)?;
            let lines: Result<Vec<String>, _> = values.iter().map(|value| template.render(value)).collect();
            Ok(lines?.iter().map(|line| format!("{line}\n")).collect())
        }
    }
}

/// JSON indented by four blanks, as docker does.
///
/// # Errors
/// The value has no JSON form.
pub(crate) fn pretty(value: &impl Serialize) -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    value.serialize(&mut Serializer::with_formatter(&mut bytes, PrettyFormatter::with_indent(b"    ")))?;
    Ok(String::from_utf8(bytes)?)
}
