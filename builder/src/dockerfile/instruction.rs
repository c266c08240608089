//! The instructions that have more than a word to say: their typed fields.

use serde::Serialize;

use super::ast::Source;
use super::heredoc::Heredoc;
use super::mount::MountFlag;
use super::word::Word;
use crate::source::{Span, Spanned};

/// `FROM [--platform=P] BASE [AS NAME]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct From {
    /// `--platform`.
    pub platform: Option<Word>,
    /// An image, an earlier stage, or `scratch`.
    pub base: Word,
    /// `AS NAME`.
    pub alias: Option<Alias>,
}

/// `AS NAME`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Alias {
    /// `AS` as written.
    pub keyword: Spanned<String>,
    /// The name in lower case, as it is compared.
    pub name: String,
    /// The name as written.
    pub written: Spanned<String>,
}

/// The argument of an instruction that runs something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CommandForm {
    /// A text for the shell; the span of an empty text is where it would stand.
    Shell(Spanned<String>),
    /// The argument vector itself.
    Exec(Vec<Spanned<String>>),
}

/// `RUN`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Run {
    /// What to run.
    pub form: CommandForm,
    /// The heredocs that the shell form opens.
    pub heredocs: Vec<Heredoc>,
    /// `--mount`, in order.
    pub mounts: Vec<MountFlag>,
    /// `--network`.
    pub network: Option<Spanned<Network>>,
    /// `--security`.
    pub security: Option<Spanned<Security>>,
    /// `--device`, in order.
    pub devices: Vec<Device>,
}

/// The network of a `RUN`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Network {
    /// What the build was told to use.
    Default,
    /// Loopback alone.
    None,
    /// The host's.
    Host,
}

/// The confinement of a `RUN`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Security {
    /// As usual.
    Sandbox,
    /// Without confinement.
    Insecure,
}

/// `RUN --device=NAME[,required]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Device {
    /// The name of the Container Device Interface.
    pub name: String,
    /// Whether the build fails without it.
    pub required: bool,
    /// The flag.
    pub span: Span,
}

/// What `COPY` and `ADD` have in common.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Transfer {
    /// From what, in order.
    pub sources: Vec<Source>,
    /// To where.
    pub destination: Word,
    /// Whether the arguments are a JSON array.
    pub json: bool,
    /// `--chown`.
    pub chown: Option<Word>,
    /// `--chmod`.
    pub chmod: Option<Word>,
    /// `--link`.
    pub link: Option<Spanned<bool>>,
    /// `--exclude`, in order; these are not expanded.
    pub excludes: Vec<Spanned<String>>,
}

impl Transfer {
    /// The sources that stand in the Dockerfile, in order.
    pub fn heredocs(&self) -> impl Iterator<Item = &Heredoc> {
        self.sources.iter().filter_map(|source| match source {
            Source::Heredoc(heredoc) => Some(heredoc),
            Source::Path(_) => None,
        })
    }
}

/// `COPY`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Copy {
    /// What is copied, where to, and as whose.
    #[serde(flatten)]
    pub transfer: Transfer,
    /// `--from`: a stage by name or number, an image, or a named context.
    pub from: Option<Spanned<String>>,
    /// `--parents`.
    pub parents: Option<Spanned<bool>>,
}

/// `ADD`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Add {
    /// What is added, where to, and as whose.
    #[serde(flatten)]
    pub transfer: Transfer,
    /// `--checksum`.
    pub checksum: Option<Word>,
    /// `--keep-git-dir`.
    pub keep_git_dir: Option<Spanned<bool>>,
    /// `--unpack`; without it, archives from the context are unpacked and downloads are not.
    pub unpack: Option<Spanned<bool>>,
}

/// One name of an `ARG`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Arg {
    /// The name; it is not expanded.
    pub name: Spanned<String>,
    /// The default.
    pub default: Option<Word>,
    /// The comment `# NAME text` above, without the name.
    pub description: Option<String>,
}

/// `HEALTHCHECK`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Healthcheck {
    /// No check, not even the base image's.
    None,
    /// A check.
    Cmd(HealthcheckCmd),
}

/// `HEALTHCHECK … CMD`; durations are in nanoseconds, 0 where they are left to the runtime.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HealthcheckCmd {
    /// What to run.
    pub form: CommandForm,
    /// `--interval`.
    pub interval: i64,
    /// `--timeout`.
    pub timeout: i64,
    /// `--start-period`.
    pub start_period: i64,
    /// `--start-interval`.
    pub start_interval: i64,
    /// `--retries`.
    pub retries: i64,
}
