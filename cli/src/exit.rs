//! dhow's exit codes (`docs/exit-codes.md`). Does not exit by itself.

use std::process::ExitCode;

/// What the calling program learns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Everything was done.
    Success,
    /// What was asked for cannot be done: something is missing, in use, or cannot be read.
    Failure,
    /// The Dockerfile, its ignore file or the build's arguments are wrong.
    Dockerfile,
    /// A step of a build failed.
    Step,
    /// A registry could not be reached, refused, or sent something wrong.
    Registry,
    /// The store is damaged, full, or cannot be written.
    Store,
    /// A sandbox could not be made.
    Sandbox,
    /// The image is not what was asked for: larger than `--size-limit`, or not the same when built again (`--verify`).
    Unmet,
    /// dhow itself is wrong.
    Internal,
    /// The command line is wrong; for `run` and `exec` also everything else that is dhow's fault.
    Usage,
    /// A program's own code, passed on.
    Program(u8),
}

impl Exit {
    /// The number.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Failure => 1,
            Self::Dockerfile => 3,
            Self::Step => 4,
            Self::Registry => 5,
            Self::Store => 6,
            Self::Sandbox => 7,
            Self::Unmet => 8,
            Self::Internal => 70,
            Self::Usage => 125,
            Self::Program(code) => code,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        exit.code().into()
    }
}

/// Shells report a program that a signal ended as 128 and the signal's number.
pub(crate) const SIGNAL_BASE: u8 = 128;
