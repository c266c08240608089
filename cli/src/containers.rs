//! Containers as several commands see them: found, listed, and what they use.

use std::fs;

use anyhow::Context;
use dhow_layer_store::oci::{Digest, ImageId};
use dhow_layer_store::{ContainerState, ContainerUse};
use dhow_runtime::{Container, Containers, Error};

use crate::app::App;

/// Digits of an id in lists.
const SHORT_ID: usize = 12;

impl App {
    /// The containers of the store.
    ///
    /// # Errors
    /// Their directory cannot be made.
    pub(crate) fn containers(&self) -> anyhow::Result<Containers> {
        Ok(Containers::open(self.root()?.join("containers"))?)
    }
}

/// The beginning of an id, as lists show it.
pub(crate) fn short(id: &str) -> &str {
    id.get(..SHORT_ID).unwrap_or(id)
}

/// The container of this name or id, if there is one.
///
/// # Errors
/// An id is ambiguous, or the container is damaged.
pub(crate) fn find(app: &App, name: &str) -> anyhow::Result<Option<Container>> {
    match app.containers()?.find(name) {
        Ok(container) => Ok(Some(container)),
        Err(Error::NoSuchContainer(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Which images have containers.
///
/// # Errors
/// The containers cannot be listed.
pub(crate) fn image_uses(app: &App) -> anyhow::Result<Vec<ContainerUse>> {
    let mut uses = Vec::new();
    for container in app.containers()?.list()? {
        let config = container.config();
        let image = config.image_id.parse::<Digest>().with_context(|| format!("in the container `{}`", config.name))?;
        let state = if container.is_running() { ContainerState::Running } else { ContainerState::Stopped };
        uses.push(ContainerUse { container: short(&config.id).to_owned(), image: ImageId(image), state });
    }
    Ok(uses)
}

/// The names of the volumes that a container uses, in the order of its mounts.
///
/// # Errors
/// The list cannot be read.
pub(crate) fn volume_names(container: &Container) -> anyhow::Result<Vec<String>> {
    let path = container.directory().join("volumes");
    match fs::read_to_string(&path) {
        Ok(text) => Ok(text.lines().map(str::to_owned).collect()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error).with_context(|| format!("cannot read `{}`", path.display())),
    }
}
