//! The reference `docs/cli.md`, written from the definition of the command line so that it is never out of date.
//! `DHOW_UPDATE_DOCS=1 cargo test -p dhow` writes it anew.

use std::fmt::Write;
use std::path::Path;

use clap::{Arg, Command, CommandFactory};

use super::Cli;
use super::unsupported::FLAGS;
use super::unsupported_commands::COMMANDS;

/// What stands above the commands.
const INTRODUCTION: &str = "\
# The command line

dhow follows docker's names and spellings, so that `alias docker=dhow` works for the commands below. `image …`,
`container …` and `buildx …` hold the same commands as the short ones. Results go to standard output, progress and
errors to standard error; the exit codes are in [exit-codes.md](exit-codes.md).

`--format` takes `json`, a Go template, or (for lists) `table TEMPLATE`. Of the template language there are fields,
variables, pipes, `if`, `with`, `range`, trim marks and comments, and the functions `and`, `eq`, `ge`, `gt`, `index`,
`join`, `json`, `le`, `len`, `lower`, `lt`, `ne`, `not`, `or`, `pad`, `print`, `printf`, `println`, `slice`, `split`,
`title`, `truncate` and `upper`.

Variables: `DHOW_ROOT`, `DHOW_SNAPSHOTTER`, `DHOW_INSECURE_REGISTRIES`, `DOCKER_CONFIG`, `DOCKER_AUTH_CONFIG`, `REGISTRY_AUTH_FILE`,
`DOCKER_DEFAULT_PLATFORM`, `SOURCE_DATE_EPOCH`, `SSL_CERT_FILE`, `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY`, `NO_PROXY`, `SSH_AUTH_SOCK`, `XDG_DATA_HOME`, `XDG_CONFIG_HOME`, `XDG_RUNTIME_DIR`.
Those that progress and logs go by are in [progress.md](progress.md) and [ci.md](ci.md).
`DOCKER_BUILDKIT` and `DOCKER_HOST` mean nothing to dhow, which has one builder and no daemon.

Certificates of registries are looked up in `certs.d/HOST[:PORT]/` below docker's config directory,
`~/.config/containers`, `/etc/docker` and `/etc/containers`.
";

fn render() -> String {
    let mut text = INTRODUCTION.to_owned();
    let mut root = Cli::command();
    root.build();
    add_command(&mut text, &root, "");
    text.push_str(
        "\n## Commands of docker that are not there\n\nThey are errors that say why, or what to do instead.\n\n",
    );
    text.push_str("| command | reason |\n|---|---|\n");
    for (group, command, reason) in COMMANDS {
        let _ = writeln!(text, "| `{}` | {reason} |", format!("{group} {command}").trim());
    }
    text.push_str("\n## Flags of docker that are not there\n\nThey are errors that say why.\n\n");
    text.push_str("| command | flag | reason |\n|---|---|---|\n");
    for (command, flag, reason) in FLAGS {
        let command = if command.is_empty() { "any" } else { command };
        let _ = writeln!(text, "| {command} | `{flag}` | {reason} |");
    }
    text
}

fn add_command(text: &mut String, command: &Command, parent: &str) {
    let name = format!("{parent} {}", command.get_name()).trim().to_owned();
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    let arguments: Vec<&Arg> = command.get_arguments().filter(|argument| is_shown(argument, parent)).collect();
    if !arguments.is_empty() {
        let _ = write!(text, "\n## {name}\n\n{about}.\n\n| argument | meaning |\n|---|---|\n");
        for argument in arguments {
            let _ = writeln!(text, "| {} | {} |", spelling(argument), meaning(argument));
        }
    }
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set() && sub.get_name() != "help") {
        match is_another_spelling(&name, sub.get_name()) {
            true => {}
            false => add_command(text, sub, &name),
        }
    }
}

/// Commands of groups that are told under their short names.
fn is_another_spelling(group: &str, command: &str) -> bool {
    match group {
        "dhow image" => !matches!(command, "from-host" | "prune"),
        "dhow container" => command != "prune",
        "dhow system" => command == "info",
        "dhow builder" => command == "build",
        _ => false,
    }
}

fn is_shown(argument: &Arg, parent: &str) -> bool {
    let is_repeated = argument.is_global_set() && !parent.is_empty();
    !argument.is_hide_set() && argument.get_id() != "help" && !is_repeated
}

fn spelling(argument: &Arg) -> String {
    let short = argument.get_short().map(|short| format!("-{short}"));
    let long = argument.get_long().map(|long| format!("--{long}"));
    let aliases = argument.get_visible_aliases().unwrap_or_default().into_iter().map(|alias| format!("--{alias}"));
    let flags: Vec<String> = short.into_iter().chain(long).chain(aliases).collect();
    let values: Vec<String> = argument.get_value_names().unwrap_or_default().iter().map(ToString::to_string).collect();
    let takes_value = argument.get_action().takes_values();
    match (flags.is_empty(), takes_value) {
        (true, _) => format!("`{}`", values.join(" ")),
        (false, true) => format!("`{} {}`", flags.join(", "), values.join(" ")),
        (false, false) => format!("`{}`", flags.join(", ")),
    }
}

fn meaning(argument: &Arg) -> String {
    let mut text = argument.get_help().map(ToString::to_string).unwrap_or_default().replace('|', "\\|");
    let hidden = argument.is_hide_possible_values_set() || !argument.get_action().takes_values();
    let values: Vec<String> =
        argument.get_possible_values().iter().map(|value| format!("`{}`", value.get_name())).collect();
    if !hidden && !values.is_empty() && argument.get_id() != "shell" {
        let _ = write!(text, ": {}", values.join(", "));
    }
    let defaults: Vec<String> =
        argument.get_default_values().iter().map(|value| value.to_string_lossy().into_owned()).collect();
    if !defaults.is_empty() && argument.get_action().takes_values() {
        let _ = write!(text, " [default: {}]", defaults.join(" "));
    }
    text
}

#[test]
fn the_reference_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/cli.md");
    let rendered = render();
    if std::env::var_os("DHOW_UPDATE_DOCS").is_some() {
        std::fs::write(&path, &rendered).expect("docs/cli.md can be written");
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(written == rendered, "docs/cli.md is out of date: DHOW_UPDATE_DOCS=1 cargo test -p dhow reference");
}
