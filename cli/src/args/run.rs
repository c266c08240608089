//! `dhow run` and `dhow create`: the flags of `docker run`.

use std::path::PathBuf;

use clap::{ArgAction, Args, ValueEnum};
use serde::{Deserialize, Serialize};

/// When `run` and `create` look for the image in its registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PullPolicyArg {
    /// Each time.
    Always,
    /// If the image is not in the store.
    Missing,
    /// Not at all.
    Never,
}

/// `dhow run`
#[derive(Debug, Args)]
#[command(disable_help_flag = true, override_usage = "dhow run [OPTIONS] IMAGE [COMMAND] [ARGUMENT]…")]
pub(crate) struct RunArgs {
    /// Run in the background and print the container's id
    #[arg(short, long)]
    pub(crate) detach: bool,
    /// Remove the container when it ends
    #[arg(long)]
    pub(crate) rm: bool,
    #[command(flatten)]
    pub(crate) create: CreateOptions,
    /// Print help
    #[arg(long, action = ArgAction::Help)]
    help: Option<bool>,
}

/// `dhow create`
#[derive(Debug, Args)]
#[command(disable_help_flag = true, override_usage = "dhow create [OPTIONS] IMAGE [COMMAND] [ARGUMENT]…")]
pub(crate) struct CreateArgs {
    /// Remove the container when it ends
    #[arg(long)]
    pub(crate) rm: bool,
    #[command(flatten)]
    pub(crate) create: CreateOptions,
    /// Print help
    #[arg(long, action = ArgAction::Help)]
    help: Option<bool>,
}

/// What a container is made of.
#[derive(Debug, Args)]
pub(crate) struct CreateOptions {
    /// The image, then the program and its arguments in place of the image's CMD
    // One list, so that every word after the image is the program's, whatever it looks like.
    #[arg(value_name = "IMAGE [COMMAND]", required = true, trailing_var_arg = true)]
    words: Vec<String>,
    /// Name of the container
    #[arg(long)]
    pub(crate) name: Option<String>,
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
    /// Working directory
    #[arg(short, long, value_name = "DIR")]
    pub(crate) workdir: Option<String>,
    /// User and group, names or numbers
    #[arg(short, long, value_name = "USER[:GROUP]")]
    pub(crate) user: Option<String>,
    /// Program in place of the image's ENTRYPOINT; empty for none
    #[arg(long, value_name = "PROGRAM")]
    pub(crate) entrypoint: Option<String>,
    /// Host name
    #[arg(short = 'h', long)]
    pub(crate) hostname: Option<String>,
    /// Set a label
    #[arg(short, long = "label", value_name = "KEY=VALUE")]
    pub(crate) labels: Vec<String>,
    /// Signal that asks the program to end
    #[arg(long, value_name = "SIGNAL")]
    pub(crate) stop_signal: Option<String>,
    /// Seconds to wait for the program to end before it is killed
    #[arg(long, value_name = "SECONDS")]
    pub(crate) stop_timeout: Option<u64>,
    /// Write the container's id to a file
    #[arg(long, value_name = "FILE")]
    pub(crate) cidfile: Option<PathBuf>,
    /// When to look for the image in its registry
    #[arg(long, value_enum, value_name = "WHEN", default_value = "missing")]
    pub(crate) pull: PullPolicyArg,
    /// Platform of the image, such as linux/amd64
    #[arg(long, env = "DOCKER_DEFAULT_PLATFORM", value_name = "PLATFORM")]
    pub(crate) platform: Option<String>,
    /// Restart policy; only `no` can be honoured
    #[arg(long, value_name = "POLICY", default_value = "no", value_parser = ["no"])]
    pub(crate) restart: String,
    /// Show nothing of the pull
    #[arg(short, long)]
    pub(crate) quiet: bool,
    #[command(flatten)]
    pub(crate) files: FileOptions,
    #[command(flatten)]
    pub(crate) network: NetworkOptions,
    #[command(flatten)]
    pub(crate) limits: LimitOptions,
}

impl CreateOptions {
    /// The image.
    pub(crate) fn image(&self) -> &str {
        self.words.first().map_or("", String::as_str)
    }

    /// The program and its arguments; empty for the image's own.
    pub(crate) fn command(&self) -> &[String] {
        self.words.get(1..).unwrap_or_default()
    }
}

/// Volumes, mounts and the root's file system.
#[derive(Debug, Args)]
pub(crate) struct FileOptions {
    /// Bind a directory or a named volume: `[SOURCE:]TARGET[:ro]`
    #[arg(short, long = "volume", value_name = "VOLUME", help_heading = "Files")]
    pub(crate) volumes: Vec<String>,
    /// Attach a file system: `type=bind|volume|tmpfs,source=…,target=…[,readonly]`
    #[arg(long = "mount", value_name = "MOUNT", help_heading = "Files")]
    pub(crate) mounts: Vec<String>,
    /// Mount an empty file system in memory: `TARGET[:size=…,mode=…]`
    #[arg(long, value_name = "TARGET", help_heading = "Files")]
    pub(crate) tmpfs: Vec<String>,
    /// Mount the root file system read-only
    #[arg(long, help_heading = "Files")]
    pub(crate) read_only: bool,
    /// Size of /dev/shm
    #[arg(long, value_name = "BYTES", help_heading = "Files")]
    pub(crate) shm_size: Option<String>,
}

/// The container's network.
#[derive(Debug, Clone, Args, Serialize, Deserialize)]
pub(crate) struct NetworkOptions {
    /// Network: `host`, `none`, or `bridge`/`default`, which are the host's until dhow has a bridge
    #[arg(long, visible_alias = "net", value_name = "MODE", default_value = "default", help_heading = "Network")]
    #[arg(value_parser = ["default", "bridge", "host", "none"])]
    pub(crate) network: String,
    /// Publish a port; on the host's network only ports that stay the same are possible
    #[arg(short, long = "publish", value_name = "PORTS", help_heading = "Network")]
    pub(crate) publish: Vec<String>,
    /// Add a line to /etc/hosts
    #[arg(long, value_name = "HOST:IP", help_heading = "Network")]
    pub(crate) add_host: Vec<String>,
    /// Name servers
    #[arg(long, value_name = "IP", help_heading = "Network")]
    pub(crate) dns: Vec<String>,
    /// Search domains
    #[arg(long, value_name = "DOMAIN", help_heading = "Network")]
    pub(crate) dns_search: Vec<String>,
}

/// Rights and limits.
#[derive(Debug, Clone, Args, Serialize, Deserialize)]
pub(crate) struct LimitOptions {
    /// Add a capability
    #[arg(long, value_name = "CAPABILITY", help_heading = "Rights and limits")]
    pub(crate) cap_add: Vec<String>,
    /// Drop a capability
    #[arg(long, value_name = "CAPABILITY", help_heading = "Rights and limits")]
    pub(crate) cap_drop: Vec<String>,
    /// All capabilities, no seccomp filter, nothing masked
    #[arg(long, help_heading = "Rights and limits")]
    pub(crate) privileged: bool,
    /// `seccomp=unconfined` or `no-new-privileges`
    #[arg(long, value_name = "OPTION", help_heading = "Rights and limits")]
    pub(crate) security_opt: Vec<String>,
    /// Memory limit, such as 512m
    #[arg(short, long, value_name = "BYTES", help_heading = "Rights and limits")]
    pub(crate) memory: Option<String>,
    /// Number of processors
    #[arg(long, value_name = "COUNT", help_heading = "Rights and limits")]
    pub(crate) cpus: Option<f64>,
    /// Number of processes
    #[arg(long, value_name = "COUNT", allow_negative_numbers = true, help_heading = "Rights and limits")]
    pub(crate) pids_limit: Option<i64>,
}
