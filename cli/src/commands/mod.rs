//! The commands, one file each: each takes what was typed and the app, and returns the exit code.

mod build;
mod cache;
mod completion;
mod df;
mod each;
mod exec;
mod fmt;
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
mod sandbox_shell;
mod save;
mod serve;
mod stop;
mod tag;
mod version;
mod volume;

use crate::app::App;
use crate::args::{
    BuilderCommand, CacheCommand, Command, ContainerCommand, ImageCommand, RegistryCommand, SystemCommand,
    VolumeCommand,
};
use crate::exit::Exit;

/// Runs a command. The short commands are those of the groups.
///
/// # Errors
/// Whatever the command says.
pub(crate) fn dispatch(app: &App, command: Command) -> anyhow::Result<Exit> {
    match command {
        Command::Build(args) => image(app, ImageCommand::Build(args)),
        Command::Images(args) => image(app, ImageCommand::Ls(args)),
        Command::Tag(args) => image(app, ImageCommand::Tag(args)),
        Command::Rmi(args) => image(app, ImageCommand::Rm(args)),
        Command::History(args) => image(app, ImageCommand::History(args)),
        Command::Pull(args) => image(app, ImageCommand::Pull(args)),
        Command::Push(args) => image(app, ImageCommand::Push(args)),
        Command::Save(args) => image(app, ImageCommand::Save(args)),
        Command::Load(args) => image(app, ImageCommand::Load(args)),
        Command::Import(args) => image(app, ImageCommand::Import(args)),
        Command::Run(args) => container(app, ContainerCommand::Run(args)),
        Command::Create(args) => container(app, ContainerCommand::Create(args)),
        Command::Exec(args) => container(app, ContainerCommand::Exec(args)),
        Command::Ps(args) => container(app, ContainerCommand::Ls(args)),
        Command::Logs(args) => container(app, ContainerCommand::Logs(args)),
        Command::Start(args) => container(app, ContainerCommand::Start(args)),
        Command::Stop(args) => container(app, ContainerCommand::Stop(args)),
        Command::Restart(args) => container(app, ContainerCommand::Restart(args)),
        Command::Kill(args) => container(app, ContainerCommand::Kill(args)),
        Command::Rm(args) => container(app, ContainerCommand::Rm(args)),
        Command::Wait(args) => container(app, ContainerCommand::Wait(args)),
        Command::Image(command) => image(app, command.into_inner()),
        Command::Container(command) => container(app, command.into_inner()),
        Command::Volume(command) => volume(app, command.into_inner()),
        Command::Cache(command) => cache(app, command.into_inner()),
        Command::Builder(command) | Command::Buildx(command) => builder(app, command.into_inner()),
        Command::System(command) => system(app, command.into_inner()),
        Command::Registry(command) => registry(app, command.into_inner()),
        Command::Inspect(args) => inspect::run(app, &args),
        Command::Info(args) => system(app, SystemCommand::Info(args)),
        Command::Login(args) => login::run(app, &args),
        Command::Logout(args) => logout::run(app, &args),
        Command::Fmt(args) => fmt::fmt(app, &args),
        Command::Parse(args) => fmt::parse(app, &args),
        Command::Version(args) => version::run(app, &args),
        Command::Completion(args) => completion::run(&args),
        Command::SandboxShell => sandbox_shell::run(),
        Command::SuperviseContainer(args) => run::supervise(app, &args),
    }
}

fn image(app: &App, command: ImageCommand) -> anyhow::Result<Exit> {
    match command {
        ImageCommand::Build(args) => build::run(app, &args),
        ImageCommand::FromHost(args) => from_host::run(app, &args),
        ImageCommand::Ls(args) => images::run(app, &args),
        ImageCommand::Tag(args) => tag::run(app, &args),
        ImageCommand::Rm(args) => rmi::run(app, &args),
        ImageCommand::History(args) => history::run(app, &args),
        ImageCommand::Inspect(args) => inspect::images(app, &args),
        ImageCommand::Pull(args) => pull::run(app, &args),
        ImageCommand::Push(args) => push::run(app, &args),
        ImageCommand::Save(args) => save::run(app, &args),
        ImageCommand::Load(args) => load::run(app, &args),
        ImageCommand::Import(args) => import::run(app, &args),
        ImageCommand::Prune(args) => prune::images(app, &args),
    }
}

fn container(app: &App, command: ContainerCommand) -> anyhow::Result<Exit> {
    match command {
        ContainerCommand::Run(args) => run::run(app, &args),
        ContainerCommand::Create(args) => run::create_only(app, &args),
        ContainerCommand::Exec(args) => exec::run(app, &args),
        ContainerCommand::Ls(args) => ps::run(app, &args),
        ContainerCommand::Logs(args) => logs::run(app, &args),
        ContainerCommand::Start(args) => stop::start(app, &args),
        ContainerCommand::Stop(args) => stop::stop(app, &args),
        ContainerCommand::Restart(args) => stop::restart(app, &args),
        ContainerCommand::Kill(args) => stop::kill(app, &args),
        ContainerCommand::Rm(args) => rm::run(app, &args),
        ContainerCommand::Wait(args) => stop::wait(app, &args),
        ContainerCommand::Inspect(args) => inspect::containers(app, &args),
        ContainerCommand::Prune(args) => prune::containers(app, &args),
    }
}

fn volume(app: &App, command: VolumeCommand) -> anyhow::Result<Exit> {
    match command {
        VolumeCommand::Create(args) => volume::create(app, &args),
        VolumeCommand::Ls(args) => volume::list(app, &args),
        VolumeCommand::Rm(args) => volume::remove(app, &args),
        VolumeCommand::Inspect(args) => volume::show(app, &args),
        VolumeCommand::Prune(args) => prune::volumes(app, &args),
    }
}

fn builder(app: &App, command: BuilderCommand) -> anyhow::Result<Exit> {
    match command {
        BuilderCommand::Build(args) => build::run(app, &args),
        BuilderCommand::Du(args) => cache::du(app, &args),
        BuilderCommand::Prune(args) => cache::prune(app, &args),
    }
}

fn cache(app: &App, command: CacheCommand) -> anyhow::Result<Exit> {
    match command {
        CacheCommand::Ls(args) => cache::ls(app, &args),
        CacheCommand::Du(args) => cache::du(app, &args),
        CacheCommand::Prune(args) => cache::prune(app, &args),
        CacheCommand::Why(args) => cache::why(app, &args),
    }
}

fn system(app: &App, command: SystemCommand) -> anyhow::Result<Exit> {
    match command {
        SystemCommand::Df(args) => df::run(app, &args),
        SystemCommand::Info(args) => info::run(app, &args),
        SystemCommand::Prune(args) => prune::system(app, &args),
    }
}

fn registry(app: &App, command: RegistryCommand) -> anyhow::Result<Exit> {
    match command {
        RegistryCommand::Serve(args) => serve::run(app, &args),
    }
}
