//! The commands on dhow itself: versions, disk use, pruning, volumes, completion.

use clap::{Args, Subcommand};

use super::Later;

/// `dhow system …`
#[derive(Debug, Subcommand)]
pub(crate) enum SystemCommand {
    /// Show how much disk images, containers, volumes and the build cache use
    Df(Later<DfArgs>),
    /// Show what dhow found on this machine
    Info(Later<InfoArgs>),
    /// Remove stopped containers, images without a name and what nothing refers to
    Prune(Later<SystemPruneArgs>),
}

/// `dhow system df`
#[derive(Debug, Args)]
pub(crate) struct DfArgs {
    /// `table`, `table TEMPLATE`, `json`, or a Go template
    #[arg(long)]
    pub(crate) format: Option<String>,
}

/// `dhow system prune`
#[derive(Debug, Args)]
pub(crate) struct SystemPruneArgs {
    /// Remove all images that no container uses and the whole build cache
    #[arg(short, long)]
    pub(crate) all: bool,
    /// Do not ask
    #[arg(short, long)]
    pub(crate) force: bool,
    /// Remove volumes that no container uses too
    #[arg(long)]
    pub(crate) volumes: bool,
}

/// `dhow container prune`, `dhow volume prune`
#[derive(Debug, Args)]
pub(crate) struct PruneArgs {
    /// Do not ask
    #[arg(short, long)]
    pub(crate) force: bool,
}

/// `dhow volume …`
#[derive(Debug, Subcommand)]
pub(crate) enum VolumeCommand {
    /// Create a volume
    Create(Later<VolumeCreateArgs>),
    /// List volumes
    #[command(visible_alias = "list")]
    Ls(Later<VolumeLsArgs>),
    /// Remove volumes
    #[command(visible_alias = "remove")]
    Rm(Later<VolumeRmArgs>),
    /// Show everything about volumes, as JSON
    Inspect(Later<VolumeInspectArgs>),
    /// Remove anonymous volumes that no container uses
    Prune(Later<PruneArgs>),
}

/// `dhow volume create`
#[derive(Debug, Args)]
pub(crate) struct VolumeCreateArgs {
    /// Name [default: random]
    pub(crate) name: Option<String>,
}

/// `dhow volume ls`
#[derive(Debug, Args)]
pub(crate) struct VolumeLsArgs {
    /// `table`, `table TEMPLATE`, `json`, or a Go template
    #[arg(long)]
    pub(crate) format: Option<String>,
    /// Only names
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

/// `dhow volume rm`
#[derive(Debug, Args)]
pub(crate) struct VolumeRmArgs {
    /// Names
    #[arg(required = true, value_name = "VOLUME")]
    pub(crate) volumes: Vec<String>,
    /// Do not mind missing volumes
    #[arg(short, long)]
    pub(crate) force: bool,
}

/// `dhow volume inspect`
#[derive(Debug, Args)]
pub(crate) struct VolumeInspectArgs {
    /// Names
    #[arg(required = true, value_name = "VOLUME")]
    pub(crate) volumes: Vec<String>,
    /// `json` or a Go template
    #[arg(short, long)]
    pub(crate) format: Option<String>,
}

/// `dhow info`
#[derive(Debug, Args)]
pub(crate) struct InfoArgs {
    /// `json` or a Go template
    #[arg(short, long)]
    pub(crate) format: Option<String>,
}

/// `dhow version`
#[derive(Debug, Args)]
pub(crate) struct VersionArgs {
    /// `json` or a Go template
    #[arg(short, long)]
    pub(crate) format: Option<String>,
}

/// `dhow completion`
#[derive(Debug, Args)]
pub(crate) struct CompletionArgs {
    /// The shell
    pub(crate) shell: clap_complete::Shell,
}
