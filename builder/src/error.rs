//! What can go wrong in a build: one variant for each thing that failed, with what it failed on.

use std::io;
use std::path::PathBuf;

use dhow_layer_store::oci::{Platform, Reference};

use crate::diagnostic::Diagnostic;
use crate::source::Span;

/// The result of an operation of the build engine.
pub type Result<T, E = BuildError> = std::result::Result<T, E>;

/// A build failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The Dockerfile is wrong.
    #[error("the Dockerfile has {}", count(.0.len()))]
    Dockerfile(Vec<Diagnostic>),
    /// A step of the Dockerfile failed.
    #[error("step `{name}` failed")]
    Step {
        /// What the step is called: `[build 2/5] RUN make`.
        name: String,
        /// Where it stands in the Dockerfile.
        span: Span,
        /// Why.
        #[source]
        source: Box<BuildError>,
    },
    /// A base image cannot be had.
    #[error("cannot get the image `{}`", .reference.familiar())]
    Image {
        /// Its name.
        reference: Box<Reference>,
        /// The base in the `FROM` line.
        span: Span,
        /// A stage that has a name like it.
        nearest: Option<String>,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A context that `--build-context` names cannot be had.
    #[error("cannot open the build context `{name}`")]
    Context {
        /// Its name.
        name: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Files of a base image cannot be had.
    #[error("cannot get the layers of the base image")]
    Layers(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A file or repository of another machine cannot be had.
    #[error("cannot get `{url}`")]
    Remote {
        /// Where it is, without user and password.
        url: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// What came from another machine is not what the Dockerfile says it must be.
    #[error("`{url}` has the checksum `{actual}` instead of `{expected}`")]
    Checksum {
        /// Where it came from, without user and password.
        url: String,
        /// What `--checksum` says.
        expected: String,
        /// What it has.
        actual: String,
    },
    /// A `RUN` step's program ended with a code that is not 0.
    #[error("`{command}`: exit code {code}")]
    Exit {
        /// The command as the Dockerfile has it.
        command: String,
        /// The code; 128 + n for signal n.
        code: i32,
    },
    /// A `RUN` step's processes were killed as they reached the limit of memory.
    #[error("`{command}`: exit code {code}, as it needed more memory than its limit{}", limit_text(*limit))]
    OutOfMemory {
        /// The command as the Dockerfile has it.
        command: String,
        /// The code; 128 + n for signal n.
        code: i32,
        /// The limit in bytes, where it is dhow's own.
        limit: Option<u64>,
    },
    /// `--on-error=shell`, and neither the image nor this machine has a shell that runs there.
    #[error("there is no shell to run in the step's sandbox")]
    NoShell,
    /// A source of `COPY` or `ADD` is not there.
    #[error("`{}`: no such file or directory", .path.display())]
    SourceMissing {
        /// The source, from the root of the context, stage or image.
        path: PathBuf,
        /// A path that is there and has a name like it.
        nearest: Option<PathBuf>,
    },
    /// A source of `COPY` or `ADD` is a symbolic link that leads nowhere.
    #[error("`{}` is a link to `{}`, which is not there", .path.display(), .target.display())]
    SourceDangles {
        /// The source, from the root of the context, stage or image.
        path: PathBuf,
        /// Where the link leads.
        target: PathBuf,
    },
    /// A source of `COPY` or `ADD` is there, but hidden by `.dockerignore`.
    #[error("`{}`: excluded by line {line} of .dockerignore (`{pattern}`)", .path.display())]
    SourceIgnored {
        /// The source, from the root of the context.
        path: PathBuf,
        /// The line of the ignore file, from 1.
        line: usize,
        /// The pattern on it.
        pattern: String,
    },
    /// A file would replace a directory, or the other way round.
    #[error("cannot copy {what} over {existing} at `{}`", .path.display())]
    CopyConflict {
        /// What is copied: `a file`.
        what: &'static str,
        /// What is there: `a directory`.
        existing: &'static str,
        /// Where in the image.
        path: PathBuf,
    },
    /// The value of `--chmod` is no mode.
    #[error("`{0}` is not a file mode")]
    InvalidMode(String),
    /// An archive that `ADD` unpacks is damaged.
    #[error("cannot unpack `{}`", .path.display())]
    Archive {
        /// The archive in the context.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The language has it, the engine cannot do it yet.
    #[error("{0} is not supported yet")]
    Unsupported(String),
    /// A secret or agent that a step requires was not given.
    #[error("the step needs {kind} `{id}`, which was not given")]
    NotGiven {
        /// `the secret`, `the SSH agent`.
        kind: &'static str,
        /// Its id.
        id: String,
    },
    /// A step runs programs of another platform, and nothing is registered that could.
    #[error("this machine cannot run programs for `{platform}`")]
    Emulation {
        /// The platform.
        platform: Platform,
    },
    /// A step needs a right that the build was not given.
    #[error("the step needs the right `{right}`")]
    NotAllowed {
        /// Its name, as `--allow` takes it.
        right: &'static str,
    },
    /// The caller cancelled the build.
    #[error("the build was cancelled")]
    Cancelled,
    /// A system call on a file failed.
    #[error("cannot {action} `{}`", .path.display())]
    Io {
        /// What was tried, as a verb: `read`, `write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A value has no JSON form.
    #[error("cannot write {what} as JSON")]
    Encode {
        /// The value.
        what: &'static str,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] dhow_layer_store::Error),
    /// A program in a sandbox cannot be started.
    #[error(transparent)]
    Sandbox(#[from] dhow_runtime::Error),
}

impl BuildError {
    /// An [`BuildError::Io`], for `map_err`.
    pub(crate) fn io<E: Into<io::Error>>(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(E) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source: source.into() }
    }

    /// What the user can do about it, where that is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Step { source, .. } => source.hint(),
            Self::Image { nearest, .. } => nearest.as_ref().map(|stage| format!("did you mean the stage `{stage}`?")),
            Self::Exit { code, .. } => exit_hint(*code),
            Self::NoShell => Some("install busybox-static on this machine, or use `--on-error=keep`".to_owned()),
            Self::OutOfMemory { .. } => Some("give it more with `--memory`, or run fewer processes at once".to_owned()),
            Self::SourceMissing { nearest: Some(path), .. } => Some(format!("did you mean `{}`?", path.display())),
            Self::SourceMissing { .. } => Some(
                "sources are looked up in the build context; `COPY --from` takes from stages and images".to_owned(),
            ),
            Self::SourceDangles { .. } => {
                Some("a source's own link is followed; copy the directory it is in to copy the link itself".to_owned())
            }
            Self::SourceIgnored { path, .. } => {
                let path = path.strip_prefix("/").unwrap_or(path).display();
                Some(format!("add `!{path}` below that line, or remove the pattern"))
            }
            Self::CopyConflict { .. } => Some("remove what is there in an earlier RUN, or copy elsewhere".to_owned()),
            Self::InvalidMode(_) => {
                Some("write it in octal such as `0755`, or in letters such as `u=rwX,go=rX`".to_owned())
            }
            Self::Archive { .. } => Some("check it with `tar -tvf`; COPY takes it as it is".to_owned()),
            Self::Checksum { actual, .. } => Some(format!(
                "it changed since the checksum was written, or somebody changed it on the way; if it is right, \
                 write `--checksum={actual}`"
            )),
            Self::NotGiven { kind, id } => {
                let flag = if kind.contains("secret") { "secret id=" } else { "ssh " };
                Some(format!("give it with `--{flag}{id}`"))
            }
            Self::Emulation { .. } => Some(
                "register an emulator with binfmt_misc and the flag F (Debian's package `qemu-user-static` does), or \
                 build on this machine's platform with `FROM --platform=$BUILDPLATFORM`"
                    .to_owned(),
            ),
            Self::NotAllowed { right } => Some(format!("allow it with `--allow {right}`")),
            Self::Sandbox(error) => error.hint(),
            Self::Store(error) => error.hint(),
            Self::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull => {
                Some("the disk is full; free space, or point `--root` at another disk".to_owned())
            }
            _ => None,
        }
    }

    /// The place in the Dockerfile that it is about, if there is one.
    pub fn span(&self) -> Option<Span> {
        match self {
            Self::Step { span, .. } | Self::Image { span, .. } => Some(*span),
            Self::Dockerfile(findings) => findings.first().map(|finding| finding.primary.span),
            _ => None,
        }
    }

    /// The exit code of the program of the `RUN` step that failed, if that is why.
    pub fn exit_code(&self) -> Option<i32> {
        match self {
            Self::Step { source, .. } => source.exit_code(),
            Self::Exit { code, .. } | Self::OutOfMemory { code, .. } => Some(*code),
            Self::Sandbox(error @ dhow_runtime::Error::Exec { .. }) => Some(error.exit_code()),
            _ => None,
        }
    }
}

fn limit_text(limit: Option<u64>) -> String {
    limit.map(|bytes| format!(" of {bytes} bytes")).unwrap_or_default()
}

fn count(findings: usize) -> String {
    if findings == 1 { "an error".to_owned() } else { format!("{findings} errors") }
}

fn exit_hint(code: i32) -> Option<String> {
    let text = match code {
        126 => "the file was found but cannot be executed; check its mode and its `#!` line",
        127 => "a command was not found in the image; install it in an earlier step, or check its name",
        137 => "the process was killed, often because memory ran out",
        _ => return None,
    };
    Some(text.to_owned())
}
