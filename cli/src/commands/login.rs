//! `dhow login`: checks a credential against a registry and keeps it where docker would.

use std::io::{self, BufRead, IsTerminal, Read};

use anyhow::Context;
use dhow_registry_client::{Credential, LoginStore, login};
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};

use crate::app::App;
use crate::args::LoginArgs;
use crate::exit::Exit;
use crate::output;
use crate::problem::Problem;
use crate::wiring::{Network, client_options};

/// The registry that is meant when none is named.
pub(crate) const DEFAULT_SERVER: &str = "docker.io";

/// Runs the command.
pub(crate) fn run(app: &App, args: &LoginArgs) -> anyhow::Result<Exit> {
    let server = server_name(args.server.as_deref());
    let config = config_file(app)?;
    let username = match &args.username {
        Some(username) => username.clone(),
        None => ask("Username: ")?,
    };
    let password = password(args)?;
    let credential = Credential::Basic { username, password };
    let options = client_options(app)?;
    let stored = Network::start()?.run(login(&options, &server, credential, &config))?;
    if let LoginStore::File(path) = stored {
        output::say(&format!("warning: the password is kept in the clear in `{}`", path.display()));
    }
    output::println("Login Succeeded")?;
    Ok(Exit::Success)
}

/// The file that credentials are kept in.
///
/// # Errors
/// There is no home directory.
pub(crate) fn config_file(app: &App) -> anyhow::Result<std::path::PathBuf> {
    let dir = app.config_dir().ok_or_else(|| {
        Problem::new("no directory for config.json is known: `HOME` is not set").hint("name one with `--config DIR`")
    })?;
    Ok(dir.join("config.json"))
}

/// The registry's name as references write it: without scheme and path.
pub(crate) fn server_name(typed: Option<&str>) -> String {
    let typed = typed.unwrap_or(DEFAULT_SERVER);
    let host = typed.trim_start_matches("https://").trim_start_matches("http://");
    let host = host.split('/').next().unwrap_or(host);
    match host {
        "index.docker.io" | "registry-1.docker.io" | "registry.hub.docker.com" => DEFAULT_SERVER.to_owned(),
        _ => host.to_owned(),
    }
}

fn password(args: &LoginArgs) -> anyhow::Result<String> {
    if let Some(password) = &args.password {
        output::say("warning: other users may see the password in the list of processes; use `--password-stdin`");
        return Ok(password.clone());
    }
    if !args.password_stdin {
        return ask_secretly("Password: ");
    }
    if args.username.is_none() {
        return Err(Problem::usage("`--password-stdin` needs `--username` too").into());
    }
    let mut text = String::new();
    io::stdin().read_to_string(&mut text).context("cannot read the password from standard input")?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

fn ask(question: &str) -> anyhow::Result<String> {
    if !io::stdin().is_terminal() {
        return Err(Problem::usage("cannot ask for user name and password: standard input is no terminal")
            .hint("use `--username NAME --password-stdin`")
            .into());
    }
    output::prompt(question);
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line).context("cannot read from standard input")?;
    Ok(line.trim().to_owned())
}

/// Asks without showing what is typed.
fn ask_secretly(question: &str) -> anyhow::Result<String> {
    let stdin = io::stdin();
    let before = tcgetattr(&stdin).ok();
    if let Some(before) = &before {
        let mut hidden = before.clone();
        hidden.local_modes.remove(LocalModes::ECHO);
        tcsetattr(&stdin, OptionalActions::Flush, &hidden).context("cannot hide what is typed")?;
    }
    let answer = ask(question);
    if let Some(before) = &before {
        tcsetattr(&stdin, OptionalActions::Flush, before).context("cannot show again what is typed")?;
        output::say("");
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::server_name;

    #[test]
    fn servers_are_named_as_in_references() {
        for (typed, expected) in [
            (None, "docker.io"),
            (Some("https://index.docker.io/v1/"), "docker.io"),
            (Some("localhost:5000"), "localhost:5000"),
            (Some("https://harbor.example/project"), "harbor.example"),
        ] {
            assert_eq!(server_name(typed), expected, "{typed:?}");
        }
    }
}
