//! What a container was asked to be.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The part of a container that never changes. Format version 1 of `config.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ContainerConfig {
    /// 64 hexadecimal digits; empty until the container is created.
    #[serde(default)]
    pub id: String,
    /// Its name; one is made up when this is empty.
    #[serde(default)]
    pub name: String,
    /// The image as it was named.
    pub image: String,
    /// The image's id.
    pub image_id: String,
    /// When the container was created, RFC 3339; empty until then.
    #[serde(default)]
    pub created: String,
    /// The command that runs, entry point included.
    pub command: Vec<String>,
    /// Whether it has a terminal (`-t`).
    #[serde(default)]
    pub terminal: bool,
    /// Whether its standard input stays open (`-i`).
    #[serde(default)]
    pub interactive: bool,
    /// Whether it is removed when it ends (`--rm`).
    #[serde(default)]
    pub auto_remove: bool,
    /// What [`Container::stop`](crate::Container::stop) sends, such as `SIGTERM`.
    pub stop_signal: String,
    /// Labels.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// What the caller needs to start it again; not looked at here.
    #[serde(default)]
    pub data: serde_json::Value,
}
