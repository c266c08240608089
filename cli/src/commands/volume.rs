//! `dhow volume create`, `ls`, `rm` and `inspect`.

use serde_json::{Value, json};

use super::each::each;
use super::inspect;
use super::run::{Volumes, volume_name};
use crate::app::App;
use crate::args::{VolumeCreateArgs, VolumeInspectArgs, VolumeLsArgs, VolumeRmArgs};
use crate::containers::{short, volume_names};
use crate::exit::Exit;
use crate::format::{Listing, Style};
use crate::output;
use crate::problem::Problem;
use crate::report;

/// Headers that are not just the field's name.
const HEADERS: &[(&str, &str)] = &[("Name", "VOLUME NAME")];

/// `dhow volume create`
pub(crate) fn create(app: &App, args: &VolumeCreateArgs) -> anyhow::Result<Exit> {
    let name = args.name.as_deref().map(volume_name).transpose()?;
    // The store's directory must be one before something is put there.
    let store = app.store()?;
    output::println(&Volumes::of_store(store.root()).ensure(name.as_deref())?.name)?;
    Ok(Exit::Success)
}

/// `dhow volume ls`
pub(crate) fn list(app: &App, args: &VolumeLsArgs) -> anyhow::Result<Exit> {
    let style = match args.quiet {
        true => Style::lines("{{.Name}}")?,
        false => Style::parse(args.format.as_deref(), "{{.Driver}}\t{{.Name}}")?,
    };
    let volumes = Volumes::of_store(&app.root()?);
    let row = |name: String, data: String| -> Value {
        json!({"Driver": "local", "Labels": "", "Mountpoint": data, "Name": name, "Scope": "local"})
    };
    let rows = volumes.list()?.into_iter().map(|volume| row(volume.name.clone(), volume.data().display().to_string()));
    output::print(&Listing { headers: HEADERS, rows: rows.collect() }.render(&style)?)?;
    Ok(Exit::Success)
}

/// `dhow volume rm`
pub(crate) fn remove(app: &App, args: &VolumeRmArgs) -> anyhow::Result<Exit> {
    let volumes = Volumes::of_store(&app.root()?);
    let containers = app.containers()?.list()?;
    Ok(each(&args.volumes, |name| {
        for container in &containers {
            if volume_names(container)?.iter().any(|used| used == name) {
                let id = short(&container.config().id);
                return Err(Problem::new(format!("the volume `{name}` is in use by the container `{id}`"))
                    .hint(format!("remove that container with `dhow rm {id}` first"))
                    .into());
            }
        }
        if args.force && volumes.find(name)?.is_none() {
            return Ok(());
        }
        volumes.remove(name)?;
        output::println(name)
    }))
}

/// `dhow volume inspect`
pub(crate) fn show(app: &App, args: &VolumeInspectArgs) -> anyhow::Result<Exit> {
    let mut exit = Exit::Success;
    let mut found = Vec::new();
    for name in &args.volumes {
        match inspect::volume(app, name)? {
            Some(volume) => found.push(volume),
            None => exit = report::report(&Problem::new(format!("no such volume: `{name}`")).into()),
        }
    }
    output::print(&inspect::render(&found, args.format.as_deref())?)?;
    Ok(exit)
}
