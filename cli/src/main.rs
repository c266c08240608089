//! The dhow binary: one program that builds, keeps, moves and runs container images.
//!
//! The order at the start matters: first whatever must happen while there is one thread only, then the command line,
//! then the command. Threads and the network are started by the commands that need them.

mod app;
mod args;
mod command_line;
mod commands;
mod containers;
mod environment;
mod exit;
mod failure;
mod findings;
mod format;
mod from_host;
mod git;
mod interrupt;
mod output;
mod problem;
mod random;
mod report;
mod span;
mod ssh;
mod ssh_agent;
mod tree_copy;
mod ui;
mod usage;
mod wiring;

use std::panic::AssertUnwindSafe;
use std::process::ExitCode;

use dhow_runtime::{Entered, Privilege};

use app::App;
use args::{Cli, Command};
use environment::Environment;
use exit::Exit;
use ui::Screen;

#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match command_line::parse(std::env::args_os()) {
        Ok(cli) => run(cli).into(),
        Err(error) => usage::report(&error).into(),
    }
}

fn run(cli: Cli) -> Exit {
    if matches!(cli.command, Command::SuperviseContainer(_)) {
        dhow_runtime::become_supervisor();
    }
    if cli.global.debug {
        report::tell_all();
    }
    let privilege = match enter(&cli) {
        Ok(Place::Inside(privilege)) => privilege,
        Ok(Place::Outside(exit)) => return exit,
        Err(error) => {
            report::report(&error.into());
            return Exit::Sandbox;
        }
    };
    let app = App::new(cli.global, Environment::of_process(), privilege);
    Screen::get().set_up(&app.environment);
    guard(|| commands::dispatch(&app, cli.command))
}

/// The exit code of a command, whatever becomes of it.
fn guard(command: impl FnOnce() -> anyhow::Result<Exit>) -> Exit {
    match std::panic::catch_unwind(AssertUnwindSafe(command)) {
        Ok(Ok(exit)) => exit,
        Ok(Err(error)) => report::report(&error),
        // What went wrong has been printed already.
        Err(_) => {
            output::say("error: this is a fault of dhow's own; please report it with the lines above");
            Exit::Internal
        }
    }
}

/// Which process this is.
enum Place {
    /// The one that does the work, with its rung of the ladder.
    Inside(Option<Privilege>),
    /// The one that has waited for it.
    Outside(Exit),
}

/// Takes the best rung of the ladder of isolation, for commands that touch the store. No thread exists yet.
fn enter(cli: &Cli) -> dhow_runtime::Result<Place> {
    if !cli.command.needs_store() {
        return Ok(Place::Inside(None));
    }
    Ok(match dhow_runtime::enter()? {
        Entered::Inside(privilege) => Place::Inside(Some(privilege)),
        Entered::Outside(status) => Place::Outside(Exit::Program(u8::try_from(status.code()).unwrap_or(u8::MAX))),
    })
}

#[cfg(test)]
mod tests {
    use super::guard;
    use crate::exit::Exit;
    use crate::problem::Problem;

    #[test]
    fn a_fault_of_dhows_own_has_a_code_of_its_own() {
        assert_eq!(guard(|| Ok(Exit::Success)), Exit::Success);
        assert_eq!(guard(|| Err(Problem::usage("x").into())), Exit::Usage);
        let fault = |index: usize| [Exit::Success][index];
        assert_eq!(guard(|| Ok(fault(std::env::args().count() + 1))).code(), 70);
        let in_a_thread = || std::thread::scope(|scope| scope.spawn(|| Ok(fault(7))).join());
        assert_eq!(guard(|| in_a_thread().unwrap_or_else(|panic| std::panic::resume_unwind(panic))).code(), 70);
    }
}
