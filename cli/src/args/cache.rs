//! The commands on the build cache: `dhow cache …`, and docker's spellings of them.

use clap::{Args, Subcommand};

use super::{BuildArgs, Later};

/// `dhow cache …`
#[derive(Debug, Subcommand)]
pub(crate) enum CacheCommand {
    /// List what the build cache has, what was used last first
    #[command(visible_alias = "list")]
    Ls(Later<CacheListArgs>),
    /// Show how much disk the build cache uses
    Du(Later<CacheDuArgs>),
    /// Remove parts of the build cache, what was not used for longest first
    Prune(Later<CachePruneArgs>),
    /// Say why a step had to be executed, and what decides whether it is found again
    Why(Later<CacheWhyArgs>),
}

/// `dhow builder …` and `dhow buildx …`
#[derive(Debug, Subcommand)]
#[expect(clippy::large_enum_variant, reason = "there is one value in the whole program")]
pub(crate) enum BuilderCommand {
    /// Build an image from a Dockerfile
    Build(Later<BuildArgs>),
    /// Show how much disk the build cache uses
    Du(Later<CacheDuArgs>),
    /// Remove parts of the build cache
    Prune(Later<CachePruneArgs>),
}

/// `dhow cache ls`
#[derive(Debug, Args)]
pub(crate) struct CacheListArgs {
    #[command(flatten)]
    pub(crate) filters: CacheFilterArgs,
    /// `table`, `table TEMPLATE`, `json`, or a Go template
    #[arg(long)]
    pub(crate) format: Option<String>,
    /// Only ids
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// Do not cut ids and descriptions
    #[arg(long)]
    pub(crate) no_trunc: bool,
}

/// `dhow cache du`
#[derive(Debug, Args)]
pub(crate) struct CacheDuArgs {
    #[command(flatten)]
    pub(crate) filters: CacheFilterArgs,
    /// `table`, `table TEMPLATE`, `json`, or a Go template
    #[arg(long, conflicts_with = "verbose")]
    pub(crate) format: Option<String>,
    /// Everything about each item
    #[arg(long)]
    pub(crate) verbose: bool,
}

/// `dhow cache prune`
#[derive(Debug, Args)]
pub(crate) struct CachePruneArgs {
    /// Remove steps that images have the layers of too
    #[arg(short, long)]
    pub(crate) all: bool,
    #[command(flatten)]
    pub(crate) filters: CacheFilterArgs,
    /// Do not ask
    #[arg(short, long)]
    pub(crate) force: bool,
    /// Stop when the cache takes no more than this: bytes (10g) or a part of the disk (20%)
    #[arg(long, alias = "max-used-space", value_name = "SIZE")]
    pub(crate) keep_storage: Option<String>,
}

/// `dhow cache why`
#[derive(Debug, Args)]
pub(crate) struct CacheWhyArgs {
    /// The beginning of a key, or words of the step, such as `RUN make`
    #[arg(value_name = "KEY|STEP")]
    pub(crate) step: String,
    /// `json` or a Go template
    #[arg(long)]
    pub(crate) format: Option<String>,
}

/// `--filter` of the cache's commands
#[derive(Debug, Args)]
pub(crate) struct CacheFilterArgs {
    /// Only what fits: id, type, description, shared, inuse, until (not used since)
    #[arg(long = "filter", value_name = "KEY=VALUE")]
    pub(crate) filters: Vec<String>,
}
