//! `dhow completion`: a script that completes dhow's command line in a shell.

use clap::CommandFactory;

use crate::args::{Cli, CompletionArgs};
use crate::exit::Exit;
use crate::output;

/// Runs the command.
pub(crate) fn run(args: &CompletionArgs) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "dhow", &mut script);
    output::print(&String::from_utf8(script)?)?;
    Ok(Exit::Success)
}
