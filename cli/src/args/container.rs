//! The commands on containers that exist.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{CreateArgs, InspectArgs, Later, PruneArgs, RunArgs};

/// `dhow container …`
#[derive(Debug, Subcommand)]
pub(crate) enum ContainerCommand {
    /// Create and run a new container from an image
    Run(Later<RunArgs>),
    /// Create a container without starting it
    Create(Later<CreateArgs>),
    /// Run another program in a running container
    Exec(Later<ExecArgs>),
    /// List containers
    #[command(visible_aliases = ["list", "ps"])]
    Ls(Later<PsArgs>),
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
    #[command(visible_alias = "remove")]
    Rm(Later<RmArgs>),
    /// Wait until containers stop, then print their exit codes
    Wait(Later<WaitArgs>),
    /// Show everything about containers, as JSON
    Inspect(Later<InspectArgs>),
    /// Remove all stopped containers
    Prune(Later<PruneArgs>),
}

/// `dhow ps`
#[derive(Debug, Args)]
pub(crate) struct PsArgs {
    /// Show stopped containers too
    #[arg(short, long)]
    pub(crate) all: bool,
    /// Show only containers of: ancestor, exited, id, label, name, network, status
    #[arg(short, long = "filter", value_name = "KEY=VALUE")]
    pub(crate) filters: Vec<String>,
    /// `table`, `table TEMPLATE`, `json`, or a Go template
    #[arg(long)]
    pub(crate) format: Option<String>,
    /// Show the last containers that were made, stopped ones too
    #[arg(short = 'n', long, value_name = "COUNT", allow_negative_numbers = true)]
    pub(crate) last: Option<i64>,
    /// Show the container that was made last
    #[arg(short, long)]
    pub(crate) latest: bool,
    /// Do not shorten columns
    #[arg(long)]
    pub(crate) no_trunc: bool,
    /// Only ids
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

/// `dhow logs`
#[derive(Debug, Args)]
pub(crate) struct LogsArgs {
    /// Name or id
    pub(crate) container: String,
    /// Go on with what is written from now on
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// Lines from the end, or `all`
    #[arg(short = 'n', long, default_value = "all", value_name = "COUNT")]
    pub(crate) tail: String,
    /// Put the time before each line
    #[arg(short, long)]
    pub(crate) timestamps: bool,
    /// From a time (RFC 3339, seconds) or a span ago (`10m`)
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,
    /// Up to a time (RFC 3339, seconds) or a span ago (`10m`)
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<String>,
}

/// `dhow start`
#[derive(Debug, Args)]
pub(crate) struct StartArgs {
    /// Show what the container writes, and pass signals on
    #[arg(short, long)]
    pub(crate) attach: bool,
    /// Attach, also to the container's standard input
    #[arg(short, long)]
    pub(crate) interactive: bool,
    /// Names or ids
    #[arg(required = true, value_name = "CONTAINER")]
    pub(crate) containers: Vec<String>,
}

/// `dhow stop`
#[derive(Debug, Args)]
pub(crate) struct StopArgs {
    /// Names or ids
    #[arg(required = true, value_name = "CONTAINER")]
    pub(crate) containers: Vec<String>,
    /// Seconds to wait before the container is killed [default: 10]
    #[arg(short, long, visible_alias = "timeout", value_name = "SECONDS", allow_negative_numbers = true)]
    pub(crate) time: Option<i64>,
    /// Signal to send first [default: the image's, else TERM]
    #[arg(short, long)]
    pub(crate) signal: Option<String>,
}

/// `dhow restart`
#[derive(Debug, Args)]
pub(crate) struct RestartArgs {
    #[command(flatten)]
    pub(crate) stop: StopArgs,
}

/// `dhow kill`
#[derive(Debug, Args)]
pub(crate) struct KillArgs {
    /// Names or ids
    #[arg(required = true, value_name = "CONTAINER")]
    pub(crate) containers: Vec<String>,
    /// Signal, name or number
    #[arg(short, long, default_value = "KILL")]
    pub(crate) signal: String,
}

/// `dhow rm`
#[derive(Debug, Args)]
pub(crate) struct RmArgs {
    /// Names or ids
    #[arg(required = true, value_name = "CONTAINER")]
    pub(crate) containers: Vec<String>,
    /// Kill running containers, and do not mind missing ones
    #[arg(short, long)]
    pub(crate) force: bool,
    /// Remove the container's anonymous volumes too
    #[arg(short, long)]
    pub(crate) volumes: bool,
}

/// The process behind a detached container.
#[derive(Debug, Args)]
pub(crate) struct SuperviseArgs {
    /// Its id
    pub(crate) container: String,
}

/// `dhow exec`
#[derive(Debug, Args)]
#[command(override_usage = "dhow exec [OPTIONS] CONTAINER COMMAND [ARGUMENT]…")]
pub(crate) struct ExecArgs {
    /// Run in the background
    #[arg(short, long, conflicts_with_all = ["interactive", "tty"])]
    pub(crate) detach: bool,
    /// Keep standard input open
    #[arg(short, long)]
    pub(crate) interactive: bool,
    /// Give the program a terminal
    #[arg(short, long)]
    pub(crate) tty: bool,
    /// Set an environment variable; without a value it is taken from the environment
    #[arg(short, long = "env", value_name = "NAME[=VALUE]")]
    pub(crate) env: Vec<String>,
    /// Read environment variables from a file
    #[arg(long, value_name = "FILE")]
    pub(crate) env_file: Vec<PathBuf>,
    /// Working directory [default: the container's]
    #[arg(short, long, value_name = "DIR")]
    pub(crate) workdir: Option<String>,
    /// User and group, names or numbers [default: the container's]
    #[arg(short, long, value_name = "USER[:GROUP]")]
    pub(crate) user: Option<String>,
    /// Name or id
    pub(crate) container: String,
    /// The program and its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) command: Vec<String>,
}

/// `dhow wait`
#[derive(Debug, Args)]
pub(crate) struct WaitArgs {
    /// Names or ids
    #[arg(required = true, value_name = "CONTAINER")]
    pub(crate) containers: Vec<String>,
}
