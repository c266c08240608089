//! `dhow rm`: removes containers.

use std::time::Duration;

use dhow_runtime::{Container, Error, Signal};

use super::each::each;
use super::run;
use crate::app::App;
use crate::args::RmArgs;
use crate::containers::find;
use crate::exit::Exit;
use crate::output;
use crate::problem::Problem;

/// How long a killed container may take to end.
const PATIENCE: Duration = Duration::from_secs(10);

/// Runs the command.
pub(crate) fn run(app: &App, args: &RmArgs) -> anyhow::Result<Exit> {
    Ok(each(&args.containers, |name| match find(app, name)? {
        Some(container) => {
            if args.force {
                kill(&container)?;
            }
            remove(app, &container, args)?;
            output::println(name)
        }
        None if args.force => Ok(()),
        None => {
            Err(Problem::new(format!("no such container: `{name}`")).hint("`dhow ps -a` lists what there is").into())
        }
    }))
}

/// Ends a container at once.
fn kill(container: &Container) -> anyhow::Result<()> {
    match container.signal(Signal::KILL) {
        Ok(()) => {}
        Err(Error::WrongState { .. }) => return Ok(()),
        Err(error) => return Err(error.into()),
    }
    container.wait_for(PATIENCE)?;
    Ok(())
}

/// One that was to be removed at its end may be gone by itself.
fn remove(app: &App, container: &Container, args: &RmArgs) -> anyhow::Result<()> {
    let gone = || !container.directory().exists();
    let result = match args.volumes {
        true => run::remove(app, container),
        false => container.remove().map_err(anyhow::Error::from),
    };
    if args.force && gone() { Ok(()) } else { result }
}
