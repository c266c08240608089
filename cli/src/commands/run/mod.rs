//! `dhow run`, `dhow create`, `dhow start` and the process behind a detached container.

mod create;
mod launch;
mod mounts;
mod network;
mod process;
mod rights;
mod spec;
mod volumes;

use std::io::IsTerminal;
use std::path::Path;

use anyhow::Context;
use dhow_runtime::{Console, Container, Input};

pub(crate) use create::hostname;
use create::{AtEnd, create};
pub(crate) use launch::container_env;
use launch::{Lasting, container_volumes, launch};
pub(crate) use mounts::{Source, Write, volume_name};
pub(crate) use network::Mode as NetworkMode;
pub(crate) use process::{add_typed, set_default};
pub(crate) use spec::Spec;
pub(crate) use volumes::{Volume, Volumes};

use crate::app::App;
use crate::args::{CreateArgs, RunArgs, SuperviseArgs};
use crate::exit::Exit;
use crate::output;
use crate::problem::Problem;
use crate::report;

/// `dhow run`: every error of dhow's own has the code 125, so that it is not taken for the program's.
pub(crate) fn run(app: &App, args: &RunArgs) -> anyhow::Result<Exit> {
    Ok(run_inner(app, args).unwrap_or_else(|error| failed(&error)))
}

/// `dhow create`
pub(crate) fn create_only(app: &App, args: &CreateArgs) -> anyhow::Result<Exit> {
    let at_end = if args.rm { AtEnd::Remove } else { AtEnd::Keep };
    let container = create(app, &args.create, at_end)?;
    output::println(&container.config().id)?;
    Ok(Exit::Success)
}

/// Reports an error of `run` or `exec`; the code is docker's.
pub(crate) fn failed(error: &anyhow::Error) -> Exit {
    let reported = report::report(error);
    let runtime = error.chain().find_map(|cause| cause.downcast_ref::<dhow_runtime::Error>());
    match (runtime, reported) {
        (Some(error), _) => Exit::Program(u8::try_from(error.exit_code()).unwrap_or(Exit::Usage.code())),
        // An interrupt and a closed pipe keep their codes.
        (None, Exit::Program(code)) => Exit::Program(code),
        (None, _) => Exit::Usage,
    }
}

/// `-it` without one.
pub(crate) fn no_terminal() -> Problem {
    Problem::usage("`-it` needs a terminal, and standard input is none").hint("leave `-t` out")
}

fn run_inner(app: &App, args: &RunArgs) -> anyhow::Result<Exit> {
    if args.create.tty && args.create.interactive && !args.detach && !std::io::stdin().is_terminal() {
        return Err(no_terminal().into());
    }
    let at_end = if args.rm { AtEnd::Remove } else { AtEnd::Keep };
    let container = create(app, &args.create, at_end)?;
    let result = match args.detach {
        true => start_detached(app, &container).map(|()| Exit::Success),
        false => run_here(app, &container),
    };
    if result.is_err() && args.rm {
        // The first error is the one to tell.
        let _ = remove(app, &container);
    }
    if args.detach && result.is_ok() {
        output::println(&container.config().id)?;
    }
    result
}

/// Runs a container in this process, which passes streams and signals on.
fn run_here(app: &App, container: &Container) -> anyhow::Result<Exit> {
    let input = if container.config().interactive { Input::Forwarded } else { Input::Closed };
    let removes = container.config().auto_remove;
    let lasting = if removes { Lasting::Passing } else { Lasting::Kept };
    let ready = launch(app, container, lasting)?;
    let volumes = anonymous_volumes(app, container)?;
    // The container's layers are noted with it; what else was looked at may go while it runs.
    app.close_store();
    let ended = container.supervise(ready.bundle, Console::Foreground(input))?;
    let code = ended.exit.status.code();
    drop(ready.tree);
    if removes {
        ended.remove()?;
        remove_volumes(app, &volumes)?;
    }
    Ok(Exit::Program(u8::try_from(code).unwrap_or(u8::MAX)))
}

/// `dhow start --attach`
pub(crate) fn start_attached(app: &App, container: &Container) -> anyhow::Result<Exit> {
    Ok(run_here(app, container).unwrap_or_else(|error| failed(&error)))
}

/// Starts a container in a process of its own, which outlives this one.
///
/// # Errors
/// What the other process says before the program runs.
pub(crate) fn start_detached(app: &App, container: &Container) -> anyhow::Result<()> {
    let program = std::env::current_exe().context("cannot find dhow's own program")?;
    let mut command = std::process::Command::new(program);
    command.arg("--root").arg(app.root()?).arg("supervise-container").arg(&container.config().id);
    Ok(container.start_supervisor(command)?)
}

/// The process behind a detached container, from its start to its end.
pub(crate) fn supervise(app: &App, args: &SuperviseArgs) -> anyhow::Result<Exit> {
    let container = app.containers()?.find(&args.container)?;
    let ready = launch(app, &container, Lasting::Kept)?;
    let volumes = anonymous_volumes(app, &container)?;
    app.close_store();
    let ended = container.supervise(ready.bundle, Console::Detached)?;
    drop(ready.tree);
    if container.config().auto_remove {
        ended.remove()?;
        remove_volumes(app, &volumes)?;
    }
    Ok(Exit::Success)
}

/// Removes a container that does not run, with its anonymous volumes.
///
/// # Errors
/// It runs, or the file system refuses.
pub(crate) fn remove(app: &App, container: &Container) -> anyhow::Result<()> {
    let volumes = anonymous_volumes(app, container)?;
    container.remove()?;
    remove_volumes(app, &volumes)
}

fn anonymous_volumes(app: &App, container: &Container) -> anyhow::Result<Vec<Volume>> {
    let mut volumes = container_volumes(container, Path::new(&app.root()?))?;
    volumes.retain(|volume| volume.record.anonymous);
    Ok(volumes)
}

fn remove_volumes(app: &App, volumes: &[Volume]) -> anyhow::Result<()> {
    let all = Volumes::of_store(&app.root()?);
    volumes.iter().try_for_each(|volume| all.remove(&volume.name))
}
