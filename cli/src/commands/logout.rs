//! `dhow logout`: forgets the credential of a registry.

use dhow_registry_client::{LoggedOut, logout};

use super::login::{config_file, server_name};
use crate::app::App;
use crate::args::LogoutArgs;
use crate::exit::Exit;
use crate::output;
use crate::wiring::Network;

/// Runs the command.
pub(crate) fn run(app: &App, args: &LogoutArgs) -> anyhow::Result<Exit> {
    let server = server_name(args.server.as_deref());
    let config = config_file(app)?;
    match Network::start()?.run(logout(&server, &config))? {
        LoggedOut::Removed => output::println(&format!("Removing login credentials for {server}"))?,
        LoggedOut::WasNotLoggedIn => output::println(&format!("Not logged in to {server}"))?,
    }
    Ok(Exit::Success)
}
