//! The dhow binary: one program that builds, keeps, moves and runs container images.
//!
//! The order at the start matters: first whatever must happen while there is one thread only, then the command line,
//! then the command. Threads and the network are started by the commands that need them.

mod app;
mod args;
mod commands;
mod containers;
mod environment;
mod exit;
mod failure;
mod format;
mod from_host;
mod output;
mod privilege;
mod problem;
mod report;
mod span;
mod ui;
mod usage;
mod wiring;

use std::process::ExitCode;

use clap::Parser;

use app::App;
use args::Cli;
use environment::Environment;
use exit::Exit;
use privilege::Privilege;

#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match Cli::try_parse() {
        Ok(cli) => run(cli).into(),
        Err(error) => usage::report(&error).into(),
    }
}

fn run(cli: Cli) -> Exit {
    let app = App::new(cli.global, Environment::of_process(), Privilege::probe());
    match commands::run(&app, cli.command) {
        Ok(exit) => exit,
        Err(error) => report::report(&error),
    }
}
