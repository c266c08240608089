//! Adapters between the crates: what one of them asks for, made of what another one offers.

mod archive;
mod base_images;
mod budget;
mod client;
mod image;
mod network;
mod own_shell;
mod pull;
mod remote;
mod similar;
mod socket;
mod store;
mod watch;

pub(crate) use archive::archive_events;
pub(crate) use base_images::BaseImages;
pub(crate) use budget::{Budget, BuildUse};
pub(crate) use client::client_options;
pub(crate) use image::{image_for, missing_platform};
pub(crate) use network::Network;
pub(crate) use own_shell::own_shell;
pub(crate) use pull::{Direction, fetch_layers, pull, transfer, transfer_with};
pub(crate) use remote::{Remote, boxed};
pub(crate) use similar::Misspelt;
pub(crate) use socket::Socket;
pub(crate) use store::sweep;
