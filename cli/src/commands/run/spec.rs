//! What a container is made of, as it is kept with the container: enough to start it, and to start it again.

use anyhow::Context;
use dhow_layer_store::{LayerId, Stack};
use dhow_runtime::Container;
use serde::{Deserialize, Serialize};

use super::mounts::Request;
use super::process::Program;
use crate::args::{LimitOptions, NetworkOptions};

/// A container's making. Part of the format of its `config.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Spec {
    /// The layers below its own, lowest first.
    pub(crate) layers: Vec<LayerId>,
    /// What it executes.
    pub(crate) program: Program,
    /// Its name inside; none is the host's.
    pub(crate) hostname: Option<String>,
    /// What is mounted, by target; volumes have their names.
    pub(crate) mounts: Vec<Request>,
    /// Its network.
    pub(crate) network: NetworkOptions,
    /// Its rights and limits.
    pub(crate) limits: LimitOptions,
    /// Whether its root can only be read.
    pub(crate) read_only: bool,
    /// Size of `/dev/shm` in bytes, if not docker's.
    pub(crate) shm_size: Option<u64>,
    /// Seconds between the stop signal and the kill.
    pub(crate) stop_timeout: Option<u64>,
}

impl Spec {
    /// That of a container.
    ///
    /// # Errors
    /// It is of another form.
    pub(crate) fn of(container: &Container) -> anyhow::Result<Self> {
        let config = container.config();
        serde_json::from_value(config.data.clone())
            .with_context(|| format!("the container `{}` was made by another version of dhow", config.name))
    }

    /// The layers as a stack.
    pub(crate) fn stack(&self) -> Stack {
        Stack(self.layers.clone())
    }
}
