//! `dhow build`: the flags of `docker build`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::BuildLimits;

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProgressKind {
    /// Bars on a terminal, else lines.
    Auto,
    /// Bars, also when standard error is no terminal.
    Tty,
    /// Prefixed lines.
    Plain,
    /// A document a line, in the form of BuildKit's.
    #[value(name = "rawjson")]
    RawJson,
    /// Nothing but the result.
    #[value(alias = "none")]
    Quiet,
}

/// What becomes of the sandbox of a `RUN` that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OnErrorKind {
    /// It goes.
    Stop,
    /// A shell with the same files, mounts and environment; the build ends with it.
    Shell,
    /// Its files become an image, for `dhow run`.
    Keep,
}

/// How misses are explained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExplainKind {
    /// A line with the step's progress.
    Text,
    /// One document on standard output when the build has ended, instead of the image's names.
    Json,
}

/// Which layers become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SquashKind {
    /// Those that this build adds.
    New,
    /// All, with those of the base.
    All,
}

/// How what is found in Dockerfiles is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FindingsFormat {
    /// Drawn for people.
    Text,
    /// JSON for editors (docs/diagnostics.md).
    Json,
    /// SARIF 2.1.0 for code scanning.
    Sarif,
    /// GitLab's Code Quality report.
    GitlabCodequality,
}

/// `dhow build`
#[derive(Debug, Clone, Args)]
pub(crate) struct BuildArgs {
    /// Directory with the files that COPY and ADD may see; `-` for a tar or a Dockerfile on standard input; or the URL of
    /// a git repository (`#ref:dir`), a tar or a Dockerfile
    #[arg(value_name = "CONTEXT")]
    pub(crate) context: String,
    /// Name of the image, `name[:tag]`; may be repeated
    #[arg(short, long = "tag", value_name = "NAME")]
    pub(crate) tags: Vec<String>,
    /// The Dockerfile, `-` for standard input [default: CONTEXT/Dockerfile]
    #[arg(short, long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// Put something in the place of a stage, an image or a `--from`: a directory, `docker-image://NAME`,
    /// `oci-layout://DIR[:TAG|@DIGEST]`, `target:STAGE`, or the URL of a file or git repository
    #[arg(long = "build-context", value_name = "NAME=SOURCE")]
    pub(crate) build_contexts: Vec<String>,
    /// Stop after this stage
    #[arg(long, value_name = "STAGE")]
    pub(crate) target: Option<String>,
    /// Set a build argument; without a value it is taken from the environment
    #[arg(long = "build-arg", value_name = "NAME[=VALUE]")]
    pub(crate) build_args: Vec<String>,
    /// Run every step again
    #[arg(long)]
    pub(crate) no_cache: bool,
    /// Look for newer base images in their registries
    #[arg(long)]
    pub(crate) pull: bool,
    /// Network of RUN: `default` is the host's until dhow has a bridge
    #[arg(long, value_name = "MODE", default_value = "default", value_parser = ["default", "none", "host"])]
    pub(crate) network: String,
    /// How progress is shown
    #[arg(long, value_enum, value_name = "KIND")]
    pub(crate) progress: Option<ProgressKind>,
    /// Write the image's id to a file; for several platforms the digest of their index
    #[arg(long, value_name = "FILE")]
    pub(crate) iidfile: Option<PathBuf>,
    /// Write what was built to a file, as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) metadata_file: Option<PathBuf>,
    /// Set a label of the image
    #[arg(long = "label", value_name = "KEY=VALUE")]
    pub(crate) labels: Vec<String>,
    /// Print only the image's id; for several platforms the digest of their index
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// Platform of the image, such as linux/amd64; several, separated by commas, are built at the same time and give an
    /// image each, below one index
    #[arg(long = "platform", env = "DOCKER_DEFAULT_PLATFORM", value_name = "PLATFORM", value_delimiter = ',')]
    pub(crate) platforms: Vec<String>,
    /// Steps that may run at the same time [default: twice the number of processors, at least 4]
    #[arg(long, value_name = "COUNT")]
    pub(crate) jobs: Option<usize>,
    /// Where the image goes: a directory or `-` for its files, or `type=image|registry|docker|oci|tar|local|cacheonly` with
    /// BuildKit's keys; may be repeated
    #[arg(short, long = "output", value_name = "OUTPUT")]
    pub(crate) outputs: Vec<String>,
    /// Annotate the image: `[LEVEL[,LEVEL]:]NAME=VALUE`, where a level is `manifest`, `manifest-descriptor` (both also for
    /// one platform: `manifest[linux/amd64]`), `index` or `index-descriptor`
    #[arg(long = "annotation", value_name = "ANNOTATION")]
    pub(crate) annotations: Vec<String>,
    /// Make one layer of those that this build adds, or of all
    #[arg(long, value_enum, num_args = 0..=1, require_equals = true, default_missing_value = "new")]
    #[arg(value_name = "LAYERS")]
    pub(crate) squash: Option<SquashKind>,
    /// Do not take over from the base image: `env`, `label`, `volume` or `expose`, each with `=NAME` or all of them,
    /// `healthcheck`, `entrypoint`, `cmd`
    #[arg(long, value_name = "WHAT[=NAME]")]
    pub(crate) unset: Vec<String>,
    /// Build again without the cache, and fail if the image differs; name the first file that does
    #[arg(long)]
    pub(crate) verify: bool,
    /// Fail if the image's layers are larger, uncompressed (300m, 1.5GB, 256MiB); name the lines that weigh most
    #[arg(long, value_name = "SIZE")]
    pub(crate) size_limit: Option<String>,
    /// Push the image to the registries of its names when it is built
    #[arg(long)]
    pub(crate) push: bool,
    /// Disk that the build cache may take: bytes (10g) or a part of the disk [default: 20%]
    #[arg(long, env = "DHOW_KEEP_STORAGE", value_name = "SIZE", hide_env_values = true)]
    pub(crate) keep_storage: Option<String>,
    /// Say why steps are not in the cache: in the progress, or as JSON on standard output
    #[arg(long, value_enum, num_args = 0..=1, require_equals = true, default_missing_value = "text")]
    #[arg(value_name = "FORM")]
    pub(crate) explain: Option<ExplainKind>,
    /// When a RUN fails: a shell in its sandbox, or keep its files as an image
    #[arg(long, value_enum, value_name = "ACTION", default_value = "stop")]
    pub(crate) on_error: OnErrorKind,
    /// Check the Dockerfile and build nothing; the same as `--call=check`
    #[arg(long, conflicts_with = "call")]
    pub(crate) check: bool,
    /// Ask about the Dockerfile and build nothing: `check`, `outline` or `targets`, and `,format=json`
    #[arg(long, value_name = "METHOD", default_value = "build", hide_default_value = true)]
    pub(crate) call: String,
    /// How mistakes and findings in the Dockerfile are told; but for `text`, on standard output
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "text", conflicts_with_all = ["explain", "quiet"])]
    pub(crate) format: FindingsFormat,
    /// Give RUN --mount=type=secret a file or a variable: `id=ID[,src=FILE|,env=NAME]`
    #[arg(long = "secret", value_name = "SECRET")]
    pub(crate) secrets: Vec<String>,
    /// Give RUN --mount=type=ssh an agent: `default`, `ID=SOCKET`, or `ID=KEYFILE[,KEYFILE]`; repositories are fetched by SSH with
    /// the keys of `default`
    #[arg(long, value_name = "AGENT")]
    pub(crate) ssh: Vec<String>,
    /// Add a line to /etc/hosts of RUN
    #[arg(long, value_name = "HOST:IP")]
    pub(crate) add_host: Vec<String>,
    #[command(flatten)]
    pub(crate) limits: BuildLimits,
    /// Allow a right: `security.insecure`; `network.host` is always allowed
    #[arg(long, value_name = "RIGHT")]
    pub(crate) allow: Vec<String>,
    /// Accepted without effect: a built image is always in dhow's store
    #[arg(long)]
    pub(crate) load: bool,
    /// Accepted without effect: steps leave no containers behind
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub(crate) rm: Option<bool>,
    /// Accepted without effect: steps leave no containers behind
    #[arg(long)]
    pub(crate) force_rm: bool,
}

/// `dhow fmt`
#[derive(Debug, Args)]
pub(crate) struct FmtArgs {
    /// Dockerfiles, `-` for standard input
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Write nothing; name the files that would change and fail if there are any
    #[arg(long)]
    pub(crate) check: bool,
    /// How mistakes, and with `--check` files that would change, are told
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "text")]
    pub(crate) format: FindingsFormat,
}

/// `dhow parse`
#[derive(Debug, Args)]
pub(crate) struct ParseArgs {
    /// The Dockerfile, `-` for standard input
    pub(crate) file: PathBuf,
    /// How mistakes are told
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "text")]
    pub(crate) format: FindingsFormat,
}
