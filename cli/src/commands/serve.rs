//! `dhow registry serve`: the built-in registry, until it is interrupted.

use std::sync::Arc;

use dhow_registry_client::{Served, Server, ServerOptions};

use crate::app::App;
use crate::args::ServeArgs;
use crate::exit::Exit;
use crate::output;
use crate::wiring::Network;

/// Runs the command.
pub(crate) fn run(app: &App, args: &ServeArgs) -> anyhow::Result<Exit> {
    let root = match &args.root {
        Some(root) => std::path::absolute(root)?,
        None => app.root()?.with_file_name("dhow-registry"),
    };
    let network = Network::start()?;
    let options = ServerOptions { address: args.addr, root: root.clone(), on_request: Some(Arc::new(log)) };
    let server = network.run(Server::bind(options))?;
    output::println(&format!("Serving `{}` on http://{}", root.display(), server.address()))?;
    if !server.address().ip().is_loopback() {
        output::say("warning: everybody who reaches this address may read, write and delete");
    }
    network.serve(server)?;
    Ok(Exit::Success)
}

fn log(request: Served) {
    output::say(&format!(
        "{} {} {} {:.1}ms",
        request.status,
        request.method,
        request.path,
        request.duration.as_secs_f64() * 1000.0
    ));
}
