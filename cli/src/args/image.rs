//! The commands on images.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{BuildArgs, Later, PullArgs, PushArgs};

/// `dhow image …`
#[derive(Debug, Subcommand)]
#[expect(clippy::large_enum_variant, reason = "there is one value in the whole program")]
pub(crate) enum ImageCommand {
    /// Build an image from a Dockerfile
    Build(Later<BuildArgs>),
    /// Make an image of programs of this machine and the libraries they load
    FromHost(Later<FromHostArgs>),
    /// List images
    #[command(visible_alias = "list")]
    Ls(Later<ImagesArgs>),
    /// Give an image another name
    Tag(Later<TagArgs>),
    /// Remove images
    #[command(visible_alias = "remove")]
    Rm(Later<RmiArgs>),
    /// Show how an image was made
    History(Later<HistoryArgs>),
    /// Show everything about images, as JSON
    Inspect(Later<InspectArgs>),
    /// Download an image from a registry
    Pull(Later<PullArgs>),
    /// Upload an image to a registry
    Push(Later<PushArgs>),
    /// Write images to a tar archive
    Save(Later<SaveArgs>),
    /// Read images from a tar archive
    Load(Later<LoadArgs>),
    /// Make an image of a root file system: a directory or a tar archive
    Import(Later<ImportArgs>),
    /// Remove images without a name
    Prune(Later<ImagePruneArgs>),
}

/// `dhow image from-host`
#[derive(Debug, Args)]
pub(crate) struct FromHostArgs {
    /// Programs: paths, or names looked up in PATH
    #[arg(required = true, value_name = "PROGRAM")]
    pub(crate) programs: Vec<OsString>,
    /// Name of the image
    #[arg(short, long, value_name = "NAME")]
    pub(crate) tag: String,
    /// A further file or directory, such as a library that a program opens by itself; may be repeated
    #[arg(long = "include", value_name = "PATH")]
    pub(crate) includes: Vec<PathBuf>,
}

/// `dhow images`
#[derive(Debug, Args)]
pub(crate) struct ImagesArgs {
    /// Only images of this repository, or this name
    #[arg(value_name = "REPOSITORY[:TAG]")]
    pub(crate) repository: Option<String>,
    /// Show the images of a name for all its platforms
    #[arg(short, long)]
    pub(crate) all: bool,
    /// Show digests
    #[arg(long)]
    pub(crate) digests: bool,
    /// Show only images of: before, dangling, label, reference, since, until
    #[arg(short, long = "filter", value_name = "KEY=VALUE")]
    pub(crate) filters: Vec<String>,
    /// `table`, `table TEMPLATE`, `json`, or a Go template
    #[arg(long)]
    pub(crate) format: Option<String>,
    /// Do not shorten ids
    #[arg(long)]
    pub(crate) no_trunc: bool,
    /// Only ids
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

/// `dhow tag`
#[derive(Debug, Args)]
pub(crate) struct TagArgs {
    /// Name or id of the image
    pub(crate) source: String,
    /// The new name
    pub(crate) target: String,
}

/// `dhow rmi`
#[derive(Debug, Args)]
pub(crate) struct RmiArgs {
    /// Names or ids
    #[arg(required = true, value_name = "IMAGE")]
    pub(crate) images: Vec<String>,
    /// Remove all names of an image, and images that stopped containers use
    #[arg(short, long)]
    pub(crate) force: bool,
    /// Accepted without effect: dhow has no parent images to delete
    #[arg(long)]
    pub(crate) no_prune: bool,
}

/// `dhow history`
#[derive(Debug, Args)]
pub(crate) struct HistoryArgs {
    /// Name or id
    pub(crate) image: String,
    /// `table`, `table TEMPLATE`, `json`, or a Go template
    #[arg(long)]
    pub(crate) format: Option<String>,
    /// Sizes and dates in words
    #[arg(short = 'H', long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "true", value_name = "BOOL")]
    pub(crate) human: bool,
    /// Do not shorten columns
    #[arg(long)]
    pub(crate) no_trunc: bool,
    /// Only ids
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

/// `dhow inspect`
#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    /// Names or ids
    #[arg(required = true, value_name = "NAME")]
    pub(crate) names: Vec<String>,
    /// `json` or a Go template
    #[arg(short, long)]
    pub(crate) format: Option<String>,
    /// What the names are of: container, image, volume
    #[arg(long = "type", value_name = "TYPE", value_parser = ["container", "image", "volume"])]
    pub(crate) kind: Option<String>,
    /// Of an image for several platforms, show that for this one
    #[arg(long, value_name = "PLATFORM")]
    pub(crate) platform: Option<String>,
    /// Accepted without effect on images; adds nothing to containers
    #[arg(short, long)]
    pub(crate) size: bool,
}

/// `dhow save`
#[derive(Debug, Args)]
pub(crate) struct SaveArgs {
    /// Names or ids
    #[arg(required = true, value_name = "IMAGE")]
    pub(crate) images: Vec<String>,
    /// Write to a file, not to standard output
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Of an image for several platforms, save that for this one alone
    #[arg(long, value_name = "PLATFORM")]
    pub(crate) platform: Option<String>,
}

/// `dhow load`
#[derive(Debug, Args)]
pub(crate) struct LoadArgs {
    /// Read from a file, not from standard input
    #[arg(short, long, value_name = "FILE")]
    pub(crate) input: Option<PathBuf>,
    /// Show nothing but the names of the images
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

/// `dhow import`
#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// Directory or tar archive (plain, gzip or zstd), `-` for standard input
    pub(crate) source: PathBuf,
    /// Name of the image
    pub(crate) name: Option<String>,
    /// Apply a Dockerfile instruction to the image's config, such as `CMD ["/bin/sh"]`
    #[arg(short, long = "change", value_name = "INSTRUCTION")]
    pub(crate) changes: Vec<String>,
    /// Comment in the image's history
    #[arg(short, long)]
    pub(crate) message: Option<String>,
    /// Platform of the image [default: this machine's]
    #[arg(long)]
    pub(crate) platform: Option<String>,
}

/// `dhow image prune`
#[derive(Debug, Args)]
pub(crate) struct ImagePruneArgs {
    /// Remove all images that no container uses, not only those without a name
    #[arg(short, long)]
    pub(crate) all: bool,
    /// Do not ask
    #[arg(short, long)]
    pub(crate) force: bool,
    /// Remove only images of: label, until
    #[arg(long = "filter", value_name = "KEY=VALUE")]
    pub(crate) filters: Vec<String>,
}
