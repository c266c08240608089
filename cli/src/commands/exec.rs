//! `dhow exec`: another program in a running container.

use std::io::IsTerminal;

use dhow_runtime::{Container, ExecRequest, Input};

use super::run::{self, Spec};
use crate::app::App;
use crate::args::ExecArgs;
use crate::exit::Exit;
use crate::problem::Problem;

/// Runs the command. The code is the program's, and docker's for what goes wrong before it runs.
pub(crate) fn run(app: &App, args: &ExecArgs) -> anyhow::Result<Exit> {
    Ok(execute(app, args).unwrap_or_else(|error| run::failed(&error)))
}

fn execute(app: &App, args: &ExecArgs) -> anyhow::Result<Exit> {
    if args.tty && args.interactive && !std::io::stdin().is_terminal() {
        return Err(run::no_terminal().into());
    }
    let container = app.containers()?.find(&args.container)?;
    let request = request(app, args, &container)?;
    if args.detach {
        container.exec_detached(&request)?;
        return Ok(Exit::Success);
    }
    let input = if args.interactive { Input::Forwarded } else { Input::Closed };
    let code = container.exec(&request, input)?;
    Ok(Exit::Program(u8::try_from(code).unwrap_or(u8::MAX)))
}

/// What the container's own program was given, with what was typed over it.
fn request(app: &App, args: &ExecArgs, container: &Container) -> anyhow::Result<ExecRequest> {
    let spec = Spec::of(container)?;
    let mut env = run::container_env(container, &spec);
    if args.tty {
        run::set_default(&mut env, "TERM", "xterm");
    }
    run::add_typed(&mut env, (&args.env_file, &args.env), &app.environment)?;
    let cwd = match args.workdir.as_deref() {
        Some(dir) if !dir.starts_with('/') => {
            return Err(Problem::usage(format!("the working directory `{dir}` is not an absolute path")).into());
        }
        Some(dir) => dir.to_owned(),
        None => spec.program.cwd.clone(),
    };
    let user = args.user.clone().unwrap_or(spec.program.user);
    Ok(ExecRequest { args: args.command.clone(), env, cwd, user, terminal: args.tty })
}
