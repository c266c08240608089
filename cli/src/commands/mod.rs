//! The commands, one file each: each takes what was typed and the app, and returns the exit code.

mod build;
mod completion;
mod each;
mod history;
mod images;
mod import;
mod inspect;
mod load;
mod login;
mod logout;
mod pull;
mod push;
mod rmi;
mod run;
mod save;
mod serve;
mod tag;
mod version;

use crate::app::App;
use crate::args::{BuilderCommand, Command, ContainerCommand, ImageCommand, RegistryCommand};
use crate::exit::Exit;
use crate::problem::Problem;

/// Runs a command.
///
/// # Errors
/// Whatever the command says.
pub(crate) fn dispatch(app: &App, command: Command) -> anyhow::Result<Exit> {
    match command {
        Command::Images(args) | Command::Image(ImageCommand::Ls(args)) => images::run(app, &args),
        Command::Tag(args) | Command::Image(ImageCommand::Tag(args)) => tag::run(app, &args),
        Command::Rmi(args) | Command::Image(ImageCommand::Rm(args)) => rmi::run(app, &args),
        Command::History(args) | Command::Image(ImageCommand::History(args)) => history::run(app, &args),
        Command::Inspect(args) => inspect::run(app, &args),
        Command::Image(ImageCommand::Inspect(args)) => inspect::images(app, &args),
        Command::Pull(args) | Command::Image(ImageCommand::Pull(args)) => pull::run(app, &args),
        //         Command::Push(args) | Command::Image(ImageCommand::Push(args)) => push::run(app, &args),
        Command::Login(args) => login::run(app, &args),
        Command::Logout(args) => logout::run(app, &args),
        Command::Load(args) | Command::Image(ImageCommand::Load(args)) => load::run(app, &args),
        Command::Save(args) | Command::Image(ImageCommand::Save(args)) => save::run(app, &args),
        Command::Import(args) | Command::Image(ImageCommand::Import(args)) => import::run(app, &args),
        Command::Registry(RegistryCommand::Serve(args)) => serve::run(app, &args),
        Command::Run(args) | Command::Container(ContainerCommand::Run(args)) => run::run(app, &args),
        Command::Create(args) | Command::Container(ContainerCommand::Create(args)) => run::create_only(app, &args),
        Command::SuperviseContainer(args) => run::supervise(app, &args),
        Command::Build(args)
        | Command::Image(ImageCommand::Build(args))
        | Command::Builder(BuilderCommand::Build(args))
        | Command::Buildx(BuilderCommand::Build(args)) => build::run(app, &args),
        Command::Version(args) => version::run(app, &args),
        Command::Completion(args) => completion::run(&args),
        Command::Container(ContainerCommand::Inspect(args)) => inspect::containers(app, &args),
        _ => Err(Problem::new("this command is not there yet").into()),
    }
}
