//! `dhow stop`, `dhow kill`, `dhow start`, `dhow restart`, `dhow wait`: what a container does next.

use std::time::Duration;

use dhow_runtime::{Container, Signal};

use super::each::each;
use super::run::{self, Spec};
use crate::app::App;
use crate::args::{KillArgs, RestartArgs, StartArgs, StopArgs, WaitArgs};
use crate::exit::Exit;
use crate::output;
use crate::problem::Problem;

/// Seconds between the stop signal and the kill unless the container or the command line says otherwise.
const PATIENCE: u64 = 10;
/// As good as for ever (`--time -1`).
const FOR_EVER: Duration = Duration::from_secs(1 << 32);

/// `dhow stop`
pub(crate) fn stop(app: &App, args: &StopArgs) -> anyhow::Result<Exit> {
    let signal = args.signal.as_deref().map(str::parse::<Signal>).transpose()?;
    let containers = app.containers()?;
    Ok(each(&args.containers, |name| {
        let container = containers.find(name)?;
        container.stop(signal, patience(&container, args.time))?;
        output::println(name)
    }))
}

fn patience(container: &Container, typed: Option<i64>) -> Duration {
    let own =
        || serde_json::from_value::<Spec>(container.config().data.clone()).ok().and_then(|spec| spec.stop_timeout);
    match typed {
        Some(seconds) => u64::try_from(seconds).map_or(FOR_EVER, Duration::from_secs),
        None => Duration::from_secs(own().unwrap_or(PATIENCE)),
    }
}

/// `dhow kill`
pub(crate) fn kill(app: &App, args: &KillArgs) -> anyhow::Result<Exit> {
    let signal: Signal = args.signal.parse()?;
    let containers = app.containers()?;
    Ok(each(&args.containers, |name| {
        containers.find(name)?.signal(signal)?;
        output::println(name)
    }))
}

/// `dhow start`
pub(crate) fn start(app: &App, args: &StartArgs) -> anyhow::Result<Exit> {
    let containers = app.containers()?;
    if args.attach || args.interactive {
        let [name] = &args.containers[..] else {
            return Err(Problem::usage("only one container can be attached to").into());
        };
        return run::start_attached(app, &containers.find(name)?);
    }
    Ok(each(&args.containers, |name| {
        let container = containers.find(name)?;
        if !container.is_running() {
            run::start_detached(app, &container)?;
        }
        output::println(name)
    }))
}

/// `dhow restart`
pub(crate) fn restart(app: &App, args: &RestartArgs) -> anyhow::Result<Exit> {
    let signal = args.stop.signal.as_deref().map(str::parse::<Signal>).transpose()?;
    let containers = app.containers()?;
    Ok(each(&args.stop.containers, |name| {
        let container = containers.find(name)?;
        container.stop(signal, patience(&container, args.stop.time))?;
        run::start_detached(app, &container)?;
        output::println(name)
    }))
}

/// `dhow wait`
pub(crate) fn wait(app: &App, args: &WaitArgs) -> anyhow::Result<Exit> {
    let containers = app.containers()?;
    Ok(each(&args.containers, |name| output::println(&containers.find(name)?.wait()?.to_string())))
}
