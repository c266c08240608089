//! Why a step was not found in the cache: one value for each thing that changed since it last was.

use std::fmt;

use serde::Serialize;

/// One reason for a miss.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "reason", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum MissReason {
    /// No record of such a step is there.
    NeverBuilt,
    /// A step below, or the base image, changed.
    Below,
    /// The base image's layers changed.
    Base,
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
        change: FileChange,
    },
    /// Copied files changed, and it is not known any more what they were.
    Files,
    /// Another part of the instruction changed.
    Field {
        /// Which: `destination`, `owner`, `mounts`, `network`.
        name: String,
    },
}

/// What happened to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FileChange {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// Its content, or its type, is another.
    Changed,
    /// Its mode or owner is another.
    Mode,
}

impl fmt::Display for MissReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NeverBuilt => f.write_str("never built before"),
            Self::Below => f.write_str("a step before it changed"),
            Self::Base => f.write_str("the base image changed"),
            Self::Command { before, after } => write!(f, "the command changed from `{before}` to `{after}`"),
            Self::Variable { name, before: Some(before), after: Some(after) } => {
                write!(f, "`{name}` changed from `{before}` to `{after}`")
            }
            Self::Variable { name, before: None, .. } => write!(f, "`{name}` was not set before"),
            Self::Variable { name, .. } => write!(f, "`{name}` is not set any more"),
            Self::File { path, change } => match change {
                FileChange::Added => write!(f, "`{path}` was added"),
                FileChange::Removed => write!(f, "`{path}` was removed"),
                FileChange::Changed => write!(f, "`{path}` changed"),
                FileChange::Mode => write!(f, "`{path}` has another mode or owner"),
            },
            Self::Files => f.write_str("copied files changed"),
            Self::Field { name } => write!(f, "the {name} changed"),
        }
    }
}
