//! Gets images from registries into the store, with progress.

use std::sync::Arc;

use dhow_layer_store::oci::Reference;
use dhow_layer_store::{Image, Store};
use dhow_registry_client::{Client, ClientOptions, PullOptions, Pulled, Transfer};

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
    Ok(transfer_with(client_options(app)?, app.store()?, direction, mode)?)
}

/// The same with settings that were made before.
///
/// # Errors
/// A setting is wrong.
pub(crate) fn transfer_with(
    options: ClientOptions,
    store: Store,
    direction: Direction,
    mode: Mode,
) -> dhow_registry_client::Result<Transfer> {
    let (verb, words): (_, Words) = match direction {
        Direction::Pull => ("Downloading", PULL),
        Direction::Push => ("Pushing", PUSH),
    };
    let progress = Arc::new(ui::Transfer::new(mode, verb));
    Ok(Transfer::new(Client::new(options)?, store, transfer_events(progress, words)))
}

/// Pulls one image.
///
/// # Errors
/// The registry's, or an interrupt.
pub(crate) fn pull(app: &App, reference: &Reference, options: &PullOptions, mode: Mode) -> anyhow::Result<Pulled> {
    let transfer = transfer(app, Direction::Pull, mode)?;
    Network::start()?.run(transfer.pull(reference, options))
}

/// Gets the layers of an image that a build left in their registry. Nothing is started if there are none.
///
/// # Errors
/// The registry's, or an interrupt.
pub(crate) fn fetch_layers(app: &App, image: &Image, mode: Mode) -> anyhow::Result<()> {
    let store = app.store()?;
    for id in &image.layers {
        if !store.layer(id)?.has_content()? {
            let transfer = transfer(app, Direction::Pull, mode)?;
            return Network::start()?.run(transfer.fetch_layers(&image.layers));
        }
    }
    Ok(())
}
