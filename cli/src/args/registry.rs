//! The commands that speak with registries, and the built-in one.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Later;

/// `dhow pull`
#[derive(Debug, Args)]
pub(crate) struct PullArgs {
    /// Name of the image, `name[:tag|@digest]`
    pub(crate) image: String,
    /// Download all tags of the repository
    #[arg(short, long)]
    pub(crate) all_tags: bool,
    /// Platform of the image, such as linux/amd64
    #[arg(long, env = "DOCKER_DEFAULT_PLATFORM", value_name = "PLATFORM")]
    pub(crate) platform: Option<String>,
    /// Show nothing but the image's name
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

/// `dhow push`
#[derive(Debug, Args)]
pub(crate) struct PushArgs {
    /// Name of the image, `name[:tag]`
    pub(crate) image: String,
    /// Upload all tags of the repository
    #[arg(short, long)]
    pub(crate) all_tags: bool,
    /// Show nothing but the image's name
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// Of an image for several platforms, upload that for this one alone, without an index
    #[arg(long, value_name = "PLATFORM", conflicts_with = "all_tags")]
    pub(crate) platform: Option<String>,
}

/// `dhow login`
#[derive(Debug, Args)]
pub(crate) struct LoginArgs {
    /// Host name and port of the registry [default: docker.io]
    pub(crate) server: Option<String>,
    /// User name
    #[arg(short, long)]
    pub(crate) username: Option<String>,
    /// Password; other users may see it in the list of processes
    #[arg(short, long, conflicts_with = "password_stdin")]
    pub(crate) password: Option<String>,
    /// Read the password from standard input
    #[arg(long)]
    pub(crate) password_stdin: bool,
}

/// `dhow logout`
#[derive(Debug, Args)]
pub(crate) struct LogoutArgs {
    /// Host name and port of the registry [default: docker.io]
    pub(crate) server: Option<String>,
}

/// `dhow registry …`
#[derive(Debug, Subcommand)]
pub(crate) enum RegistryCommand {
    /// Serve a registry over plain HTTP until it is interrupted
    Serve(Later<ServeArgs>),
}

/// `dhow registry serve`
#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// Address to listen on; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:5000", value_name = "IP:PORT")]
    pub(crate) addr: SocketAddr,
    /// Directory of the registry's images [default: `dhow-registry` beside dhow's root]
    #[arg(long, value_name = "DIR")]
    pub(crate) root: Option<PathBuf>,
}
