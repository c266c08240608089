//! Why a step was not found in the cache: one value for each thing that changed since it last was.

use std::fmt;

use serde::Serialize;

/// Digits of a digest that are shown.
const DIGITS: usize = 19;

/// One reason for a miss.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "reason", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum MissReason {
    /// No record of such a step is there.
    NeverBuilt,
    /// The cache was not to be used (`--no-cache`).
    NotAsked,
    /// There is a record, but its layer is gone or did not survive a crash.
    Lost,
    /// A step below changed.
    Below {
        /// The next one below.
        step: Option<String>,
    },
    /// The base image changed.
    Base {
        /// What it was called.
        before: String,
        /// Its digest then.
        before_digest: String,
        /// What it is called.
        after: String,
        /// Its digest now.
        after_digest: String,
    },
    /// The base image is for another platform.
    Platform {
        /// What it was.
        before: String,
        /// What it is.
        after: String,
    },
    /// The command is another.
    Command {
        /// What it was.
        before: String,
        /// What it is.
        after: String,
    },
    /// A variable of the environment or a build argument changed.
    Variable {
        /// Its name.
        name: String,
        /// What it was; `None` if it was not set.
        before: Option<String>,
        /// What it is; `None` if it is not set.
        after: Option<String>,
    },
    /// A copied or mounted file changed.
    File {
        /// Its path below what is copied.
        path: String,
        /// What happened to it.
        change: Change,
    },
    /// Copied or mounted files changed, and it is not known any more what they were.
    Files,
    /// A mount of `RUN` came, went or changed.
    Mount {
        /// Its type and its id or target, such as `secret token`.
        mount: String,
        /// What happened to it.
        change: Change,
    },
    /// Another part of the instruction changed.
    Field {
        /// Which: `destination`, `owner`, `network`.
        name: String,
        /// What it was; `None` if it was not given.
        before: Option<String>,
        /// What it is; `None` if it is not given.
        after: Option<String>,
    },
}

/// What happened to a file or a mount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// Its content, or its type, is another.
    Changed,
    /// Its mode is another.
    Mode,
    /// Its owner is another.
    Owner,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Added => "was added",
            Self::Removed => "was removed",
            Self::Changed => "changed",
            Self::Mode => "has another mode",
            Self::Owner => "has another owner",
        })
    }
}

impl fmt::Display for MissReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NeverBuilt => f.write_str("never built before"),
            Self::NotAsked => f.write_str("the cache was not to be used"),
            Self::Lost => f.write_str("it was built before, but its layer is not in the store any more"),
            Self::Below { step: Some(step) } => write!(f, "a step before it changed: `{step}`"),
            Self::Below { step: None } => f.write_str("a step before it changed"),
            Self::Base { before, before_digest, after, after_digest } if before == after => {
                write!(f, "the base image `{before}` changed from {} to {}", short(before_digest), short(after_digest))
            }
            Self::Base { before, after, after_digest, .. } => {
                write!(f, "the base image changed from `{before}` to `{after}` ({})", short(after_digest))
            }
            Self::Platform { before, after } => write!(f, "the platform changed from `{before}` to `{after}`"),
            Self::Command { before, after } => write!(f, "the command changed from `{before}` to `{after}`"),
            Self::Variable { name, before, after } => write_change(f, &format!("`{name}`"), (before, after)),
            Self::File { path, change } => write!(f, "`{path}` {change}"),
            Self::Files => f.write_str("copied or mounted files changed"),
            Self::Mount { mount, change } => write!(f, "the mount `{mount}` {change}"),
            Self::Field { name, before, after } => write_change(f, &format!("the {name}"), (before, after)),
        }
    }
}

fn write_change(f: &mut fmt::Formatter<'_>, what: &str, values: (&Option<String>, &Option<String>)) -> fmt::Result {
    match values {
        (Some(before), Some(after)) => write!(f, "{what} changed from `{before}` to `{after}`"),
        (None, Some(after)) => write!(f, "{what} was not set before, it is `{after}`"),
        (Some(before), None) => write!(f, "{what} is not set any more, it was `{before}`"),
        (None, None) => write!(f, "{what} changed"),
    }
}

fn short(digest: &str) -> &str {
    digest.get(..DIGITS).unwrap_or(digest)
}
