//! Gets images from registries into the store, with progress.

use std::sync::Arc;

use dhow_layer_store::oci::Reference;
use dhow_registry_client::{Client, PullOptions, Pulled, Transfer};

use super::client::client_options;
use super::network::Network;
use super::watch::{PULL, PUSH, Words, transfer_events};
use crate::app::App;
use crate::ui::{self, Mode};

/// Which way things move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    /// Out of a registry.
    Pull,
    /// Into one.
    Push,
}

/// A transfer between registries and the store that shows its progress.
///
/// # Errors
/// The store cannot be opened, or a setting is wrong.
pub(crate) fn transfer(app: &App, direction: Direction, mode: Mode) -> anyhow::Result<Transfer> {
    let (verb, words): (_, Words) = match direction {
        Direction::Pull => ("Downloading", PULL),
        Direction::Push => ("Pushing", PUSH),
    };
    let progress = Arc::new(ui::Transfer::new(mode, verb));
    let client = Client::new(client_options(app)?)?;
    Ok(Transfer::new(client, app.store()?.clone(), transfer_events(progress, words)))
}

/// Pulls one image.
///
/// # Errors
/// The registry's, or an interrupt.
pub(crate) fn pull(app: &App, reference: &Reference, options: &PullOptions, mode: Mode) -> anyhow::Result<Pulled> {
    let transfer = transfer(app, Direction::Pull, mode)?;
    Network::start()?.run(transfer.pull(reference, options))
}
