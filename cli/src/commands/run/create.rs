//! Makes a container: what was typed and what the image says become its config on disk.

use std::fs;
use std::path::Path;

use anyhow::Context;
use dhow_layer_store::Image;
use dhow_layer_store::oci::ContainerConfig as ImageDefaults;
use dhow_runtime::{Container, ContainerConfig, Signal};

use super::mounts::{self, Copy, Missing, Request, Source, Write};
use super::network::{self, Mode};
use super::process::Program;
use super::rights::{self, Rights};
use super::spec::Spec;
use super::volumes::Volumes;
use crate::app::App;
use crate::args::CreateOptions;
use crate::containers::short;
use crate::format::human;
use crate::problem::Problem;
use crate::wiring::image_for;

/// The signal that ends containers whose image names none.
const STOP_SIGNAL: &str = "SIGTERM";

/// Whether a container goes when it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AtEnd {
    /// It stays.
    Keep,
    /// It goes (`--rm`).
    Remove,
}

/// Makes a container that has not run yet.
///
/// # Errors
/// The image cannot be had, or something that was typed cannot be used.
pub(crate) fn create(app: &App, options: &CreateOptions, at_end: AtEnd) -> anyhow::Result<Container> {
    check(options)?;
    let image = image_for(app, options)?;
    let spec = spec(app, options, &image)?;
    let containers = app.containers()?;
    let container = containers.create(config(options, &image, spec.clone(), at_end)?)?;
    if let Err(error) = finish(app, options, &container, &spec) {
        let _ = container.remove();
        return Err(error);
    }
    Ok(container)
}

/// Whatever can be said without looking at the image.
fn check(options: &CreateOptions) -> anyhow::Result<()> {
    if let Some(path) = &options.cidfile
        && path.exists()
    {
        return Err(Problem::new(format!("the file `{}` exists already", path.display()))
            .hint("another container may use it; remove it or name another file")
            .into());
    }
    network::check_ports(&options.network)?;
    network::hosts(&options.network, "")?;
    network::resolv_conf(&options.network)?;
    Rights::new(&options.limits)?;
    rights::resources(&options.limits)?;
    Ok(())
}

fn spec(app: &App, options: &CreateOptions, image: &Image) -> anyhow::Result<Spec> {
    let defaults = &image.config.config;
    let shm_size = options.files.shm_size.as_deref().map(|text| {
        human::parse_size(text).ok_or_else(|| Problem::usage(format!("`{text}` is not a size for /dev/shm")))
    });
    Ok(Spec {
        layers: image.layers.clone(),
        // The host's name is not known before the container has its id.
        program: Program::new(defaults, options, "", &app.environment)?,
        hostname: options.hostname.clone(),
        mounts: mounts(options, defaults)?,
        network: options.network.clone(),
        limits: options.limits.clone(),
        read_only: options.files.read_only,
        shm_size: shm_size.transpose()?,
        stop_timeout: options.stop_timeout,
    })
}

/// What was typed, and an anonymous volume for each of the image's that has no other mount.
fn mounts(options: &CreateOptions, defaults: &ImageDefaults) -> anyhow::Result<Vec<Request>> {
    let mut requests = mounts::requests(&options.files, &std::env::current_dir()?)?;
    for target in defaults.volumes.keys() {
        let target = target.trim_end_matches('/');
        if !target.is_empty() && !requests.iter().any(|request| request.target == target) {
            let source = Source::Volume { name: None, copy: Copy::Up };
            requests.push(Request { source, target: target.to_owned(), write: Write::Allowed });
        }
    }
    requests.sort_by(|one, other| one.target.cmp(&other.target));
    for request in &requests {
        check_source(request)?;
    }
    Ok(requests)
}

fn check_source(request: &Request) -> anyhow::Result<()> {
    match &request.source {
        Source::Bind { path, missing: Missing::Fail } if !path.exists() => {
            Err(Problem::usage(format!("the bind's source `{}` does not exist", path.display()))
                .hint("make it, or use `-v`, which makes a directory")
                .into())
        }
        Source::Bind { path, missing: Missing::Create } if !path.exists() => {
            fs::create_dir_all(path).with_context(|| format!("cannot make the directory `{}`", path.display()))
        }
        _ => Ok(()),
    }
}

fn config(options: &CreateOptions, image: &Image, spec: Spec, at_end: AtEnd) -> anyhow::Result<ContainerConfig> {
    let defaults = &image.config.config;
    let stop_signal = options.stop_signal.clone().or_else(|| defaults.stop_signal.clone());
    let stop_signal = stop_signal.filter(|signal| !signal.is_empty()).unwrap_or_else(|| STOP_SIGNAL.to_owned());
    stop_signal.parse::<Signal>()?;
    let mut labels = defaults.labels.clone();
    for label in &options.labels {
        let (key, value) = label.split_once('=').unwrap_or((label, ""));
        labels.insert(key.to_owned(), value.to_owned());
    }
    Ok(ContainerConfig {
        id: String::new(),
        name: options.name.clone().unwrap_or_default(),
        image: options.image().to_owned(),
        image_id: image.id.to_string(),
        created: String::new(),
        command: spec.program.args(),
        terminal: options.tty,
        interactive: options.interactive,
        auto_remove: at_end == AtEnd::Remove,
        stop_signal,
        labels,
        data: serde_json::to_value(spec)?,
    })
}

/// What can only be done when the container has its id and its directory.
fn finish(app: &App, options: &CreateOptions, container: &Container, spec: &Spec) -> anyhow::Result<()> {
    let (directory, store) = (container.directory(), app.store()?);
    store.note_container(directory, &spec.stack())?;
    let volumes = Volumes::of_store(store.root());
    let mut named = Vec::new();
    for request in &spec.mounts {
        if let Source::Volume { name, .. } = &request.source {
            named.push(volumes.ensure(name.as_deref())?.name);
        }
    }
    if !named.is_empty() {
        write(&directory.join("volumes"), &(named.join("\n") + "\n"))?;
    }
    match &options.cidfile {
        Some(path) => write(path, &container.config().id),
        None => Ok(()),
    }
}

/// The name inside a container: what was typed, the host's on the host's network, else the beginning of the id.
pub(crate) fn hostname(container: &Container, spec: &Spec) -> String {
    match (&spec.hostname, Mode::of(&spec.network)) {
        (Some(name), _) => name.clone(),
        (None, Mode::Host) => rustix::system::uname().nodename().to_string_lossy().into_owned(),
        (None, Mode::Default | Mode::None) => short(&container.config().id).to_owned(),
    }
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write `{}`", path.display()))
}
