//! `dhow version`.

use serde_json::json;

use crate::app::App;
use crate::args::VersionArgs;
use crate::exit::Exit;
use crate::format::Template;
use crate::output;

/// The version of docker's API whose command line is followed most closely.
const API_VERSION: &str = "1.45";

/// Runs the command.
pub(crate) fn run(app: &App, args: &VersionArgs) -> anyhow::Result<Exit> {
    let part = json!({
        "Version": env!("CARGO_PKG_VERSION"),
        "ApiVersion": API_VERSION,
        "Os": std::env::consts::OS,
        "Arch": dhow_layer_store::oci::Platform::host().architecture,
        "KernelVersion": rustix::system::uname().release().to_string_lossy(),
        "Experimental": false,
    });
    // Without a daemon, what docker tells of its two halves is the same.
    let both = json!({"Client": part, "Server": part});
    let text = match args.format.as_deref() {
        Some("json") => format!("{both}\n"),
        Some(template) => Template::parse(template)?.render(&both)? + "\n",
        None => format!(
            "dhow {}\n Root:     {}\n OS/Arch:  {}\n Kernel:   {}\n",
            env!("CARGO_PKG_VERSION"),
            app.root().map_or_else(|_| "none".to_owned(), |root| root.display().to_string()),
            dhow_layer_store::oci::Platform::host(),
            rustix::system::uname().release().to_string_lossy(),
        ),
    };
    output::print(&text)?;
    Ok(Exit::Success)
}
