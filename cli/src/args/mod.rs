//! What was typed: the command line in Docker's names and spellings. Nothing here acts on it.
//!
//! A flag of docker that is not listed here is an error; `unsupported` knows the reasons.

mod build;
mod build_limits;
mod cache;
mod container;
mod image;
mod later;
#[cfg(test)]
mod reference;
mod registry;
mod run;
mod system;
mod unsupported;
mod unsupported_commands;

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

pub(crate) use build::{
    BuildArgs, ExplainKind, FindingsFormat, FmtArgs, OnErrorKind, ParseArgs, ProgressKind, SquashKind,
};
pub(crate) use build_limits::BuildLimits;
pub(crate) use cache::{
    BuilderCommand, CacheCommand, CacheDuArgs, CacheFilterArgs, CacheListArgs, CachePruneArgs, CacheWhyArgs,
};
pub(crate) use container::{
    ContainerCommand, ExecArgs, KillArgs, LogsArgs, PsArgs, RestartArgs, RmArgs, StartArgs, StopArgs, SuperviseArgs,
    WaitArgs,
};
pub(crate) use image::{
    FromHostArgs, HistoryArgs, ImageCommand, ImagePruneArgs, ImagesArgs, ImportArgs, InspectArgs, LoadArgs, RmiArgs,
    SaveArgs, TagArgs,
};
pub(crate) use later::Later;
pub(crate) use registry::{LoginArgs, LogoutArgs, PullArgs, PushArgs, RegistryCommand, ServeArgs};
pub(crate) use run::{CreateArgs, CreateOptions, FileOptions, LimitOptions, NetworkOptions, PullPolicyArg, RunArgs};
pub(crate) use system::{
    CompletionArgs, DfArgs, InfoArgs, PruneArgs, SystemCommand, SystemPruneArgs, VersionArgs, VolumeCommand,
    VolumeCreateArgs, VolumeInspectArgs, VolumeLsArgs, VolumeRmArgs,
};
pub(crate) use unsupported::explain;
pub(crate) use unsupported_commands::explain_command;

/// Builds, keeps, moves and runs container images: one program, no daemon.
#[derive(Debug, Parser)]
#[command(name = "dhow", version, about, max_term_width = 100, arg_required_else_help = true)]
#[command(disable_version_flag = true, propagate_version = false)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// A way to make a tree on layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SnapshotterKind {
    /// An overlay where it can be mounted, else a copy.
    Auto,
    /// An overlay, or an error.
    Overlay,
    /// A copy of all files, which needs no right to mount.
    Copy,
}

/// Options that stand before the command.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Global {
    /// Directory of images, layers and containers [default: /var/lib/dhow as root, else $XDG_DATA_HOME/dhow]
    #[arg(long, env = "DHOW_ROOT", value_name = "DIR", hide_env_values = true)]
    pub(crate) root: Option<PathBuf>,
    /// Directory of config.json with registry credentials [default: ~/.docker]
    #[arg(long, env = "DOCKER_CONFIG", value_name = "DIR", hide_env_values = true)]
    pub(crate) config: Option<PathBuf>,
    /// Registry whose certificate is not checked and that may speak plain HTTP; may be repeated
    #[arg(long = "insecure-registry", env = "DHOW_INSECURE_REGISTRIES", value_name = "HOST[:PORT]")]
    #[arg(value_delimiter = ',', hide_env_values = true, global = true)]
    pub(crate) insecure_registries: Vec<String>,
    /// How the trees that steps and containers write to are made
    #[arg(long, value_enum, env = "DHOW_SNAPSHOTTER", value_name = "WAY", default_value = "auto")]
    #[arg(hide_default_value = true, hide_env_values = true)]
    pub(crate) snapshotter: SnapshotterKind,
    /// Say more about errors
    #[arg(short = 'D', long)]
    pub(crate) debug: bool,
    /// Print version information and quit
    #[arg(short = 'v', long, action = clap::ArgAction::Version)]
    version: (),
}

/// The commands. Those of `image`, `container` and `buildx` are the same as the short ones.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Build an image from a Dockerfile
    #[command(visible_alias = "b")]
    Build(Later<BuildArgs>),
    /// Create and run a new container from an image
    Run(Later<RunArgs>),
    /// Create a container without starting it
    Create(Later<CreateArgs>),
    /// Run another program in a running container
    Exec(Later<ExecArgs>),
    /// List containers
    Ps(Later<PsArgs>),
    /// Fetch the logs of a container
    Logs(Later<LogsArgs>),
    /// Start stopped containers
    Start(Later<StartArgs>),
    /// Stop running containers
    Stop(Later<StopArgs>),
    /// Stop and start containers
    Restart(Later<RestartArgs>),
    /// Send a signal to running containers
    Kill(Later<KillArgs>),
    /// Remove containers
    Rm(Later<RmArgs>),
    /// Wait until containers stop, then print their exit codes
    Wait(Later<WaitArgs>),
    /// List images
    Images(Later<ImagesArgs>),
    /// Give an image another name
    Tag(Later<TagArgs>),
    /// Remove images
    Rmi(Later<RmiArgs>),
    /// Show how an image was made
    History(Later<HistoryArgs>),
    /// Show everything about images and containers, as JSON
    Inspect(Later<InspectArgs>),
    /// Download an image from a registry
    Pull(Later<PullArgs>),
    /// Upload an image to a registry
    Push(Later<PushArgs>),
    /// Store credentials for a registry
    Login(Later<LoginArgs>),
    /// Remove the credentials of a registry
    Logout(Later<LogoutArgs>),
    /// Write images to a tar archive
    Save(Later<SaveArgs>),
    /// Read images from a tar archive
    Load(Later<LoadArgs>),
    /// Make an image of a root file system: a directory or a tar archive
    Import(Later<ImportArgs>),
    /// Write Dockerfiles in the usual way, without changing what they mean
    Fmt(Later<FmtArgs>),
    /// Print a Dockerfile as JSON, with the place of everything
    Parse(Later<ParseArgs>),
    /// Show version information
    Version(Later<VersionArgs>),
    /// Show what dhow found on this machine
    Info(Later<InfoArgs>),
    /// Manage images
    #[command(subcommand)]
    Image(Later<ImageCommand>),
    /// Manage containers
    #[command(subcommand)]
    Container(Later<ContainerCommand>),
    /// Manage volumes
    #[command(subcommand)]
    Volume(Later<VolumeCommand>),
    /// Manage the build cache
    #[command(subcommand)]
    Cache(Later<CacheCommand>),
    /// Manage the build cache with docker's spelling
    #[command(subcommand)]
    Builder(Later<BuilderCommand>),
    /// Build with docker's other spelling
    #[command(subcommand, hide = true)]
    Buildx(Later<BuilderCommand>),
    /// Manage dhow itself
    #[command(subcommand)]
    System(Later<SystemCommand>),
    /// Serve a registry from a directory
    #[command(subcommand)]
    Registry(Later<RegistryCommand>),
    /// Print a completion script for a shell
    Completion(Later<CompletionArgs>),
    /// The process behind a detached container; not for people
    #[command(hide = true)]
    SuperviseContainer(Later<SuperviseArgs>),
    /// A small shell for sandboxes of images without one; not for people outside of them
    #[command(hide = true)]
    SandboxShell,
}

impl Command {
    /// Whether the command works on the store, and so needs the rights to write an image's files.
    pub(crate) fn needs_store(&self) -> bool {
        !matches!(
            self,
            Self::Fmt(_)
                | Self::Parse(_)
                | Self::Version(_)
                | Self::Completion(_)
                | Self::SandboxShell
                | Self::Login(_)
                | Self::Logout(_)
                | Self::Registry(_)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::{Cli, Command};
    use clap::{CommandFactory, Parser};

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    /// Lines that tutorials type at docker.
    #[test]
    fn docker_lines_parse() {
        for line in [
            "build -t hello .",
            "build --rm --force-rm -q -t a -t b:1 -f d/Dockerfile --build-arg K=V --build-arg P --target x .",
            "build --progress=plain --network=host --no-cache --pull --iidfile f --label a=b - ",
            "buildx build --load -t x .",
            "run -it --rm -h box -v /a:/b:ro -e A=1 -eB=2 --name n -p 80:80 busybox sh -c 'exit 3'",
            "run -d --name web --network host --restart no nginx nginx -g daemon\\ off;",
            "run --rm busybox ls -la --color",
            "ps -aq --no-trunc",
            "ps -a --filter status=exited --format {{.Names}}",
            "images -q --filter dangling=true",
            "image ls --digests",
            "rmi -f a b",
            "image rm a",
            "container ls -a",
            "logs -f --tail 10 web",
            "stop -t 1 web",
            "inspect -f {{.Id}} a b",
            "save -o f a b",
            "load -i f",
            "import --change CMD=x rootfs.tar name:1",
            "login -u me --password-stdin localhost:5000",
            "registry serve --addr 127.0.0.1:5000 --root /x",
            "--root /x images",
            "image from-host --tag x /bin/ls",
            "system prune -af",
            "volume ls -q",
        ] {
            let words = std::iter::once("dhow".to_owned()).chain(line.split(' ').map(str::to_owned));
            let words: Vec<_> = words.filter(|word| !word.is_empty()).collect();
            if let Err(error) = Cli::try_parse_from(&words) {
                panic!("{line}: {error}");
            }
        }
    }

    #[test]
    fn what_follows_the_image_is_the_programs() {
        let cli = Cli::try_parse_from(["dhow", "run", "--rm", "busybox", "ls", "--rm", "-h"]).unwrap();
        let Command::Run(args) = cli.command else { panic!("not a run") };
        assert!(args.rm);
        assert_eq!(args.create.image(), "busybox");
        assert_eq!(args.create.command(), ["ls", "--rm", "-h"]);
    }
}
