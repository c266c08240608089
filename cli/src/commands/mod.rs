//! The commands, one file each: each takes what was typed and the app, and returns the exit code.

mod build;
mod completion;
mod df;
mod each;
mod from_host;
mod history;
mod images;
mod import;
mod info;
mod inspect;
mod load;
mod login;
mod logout;
mod logs;
mod prune;
mod ps;
mod pull;
mod push;
mod rm;
mod rmi;
mod run;
mod save;
mod serve;
mod stop;
mod tag;
mod version;
mod volume;

use crate::app::App;
use crate::args::{
    BuilderCommand, Command, ContainerCommand, ImageCommand, RegistryCommand, SystemCommand, VolumeCommand,
};
use crate::exit::Exit;

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
        Command::Push(args) | Command::Image(ImageCommand::Push(args)) => push::run(app, &args),
        Command::Login(args) => login::run(app, &args),
        Command::Logout(args) => logout::run(app, &args),
        Command::Load(args) | Command::Image(ImageCommand::Load(args)) => load::run(app, &args),
        Command::Save(args) | Command::Image(ImageCommand::Save(args)) => save::run(app, &args),
        Command::Import(args) | Command::Image(ImageCommand::Import(args)) => import::run(app, &args),
        Command::Image(ImageCommand::FromHost(args)) => from_host::run(app, &args),
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
        Command::Ps(args) | Command::Container(ContainerCommand::Ls(args)) => ps::run(app, &args),
        Command::Logs(args) | Command::Container(ContainerCommand::Logs(args)) => logs::run(app, &args),
        Command::Stop(args) | Command::Container(ContainerCommand::Stop(args)) => stop::stop(app, &args),
        Command::Kill(args) | Command::Container(ContainerCommand::Kill(args)) => stop::kill(app, &args),
        Command::Start(args) | Command::Container(ContainerCommand::Start(args)) => stop::start(app, &args),
        Command::Restart(args) | Command::Container(ContainerCommand::Restart(args)) => stop::restart(app, &args),
        Command::Wait(args) | Command::Container(ContainerCommand::Wait(args)) => stop::wait(app, &args),
        Command::Rm(args) | Command::Container(ContainerCommand::Rm(args)) => rm::run(app, &args),
        Command::Container(ContainerCommand::Prune(args)) => prune::containers(app, &args),
        Command::Image(ImageCommand::Prune(args)) => prune::images(app, &args),
        Command::Builder(BuilderCommand::Prune(args)) | Command::Buildx(BuilderCommand::Prune(args)) => {
            prune::cache(app, &args)
        }
        Command::Volume(VolumeCommand::Create(args)) => volume::create(app, &args),
        Command::Volume(VolumeCommand::Ls(args)) => volume::list(app, &args),
        Command::Volume(VolumeCommand::Rm(args)) => volume::remove(app, &args),
        Command::Volume(VolumeCommand::Inspect(args)) => volume::show(app, &args),
        Command::Volume(VolumeCommand::Prune(args)) => prune::volumes(app, &args),
        Command::System(SystemCommand::Df(args)) => df::run(app, &args),
        Command::System(SystemCommand::Prune(args)) => prune::system(app, &args),
        Command::Info(args) | Command::System(SystemCommand::Info(args)) => info::run(app, &args),
    }
}
