//! How a sandbox's program ended, and what it used.

use std::fmt;
use std::time::Duration;

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitStatus {
    /// By itself, with a code of 0 to 255.
    Code(i32),
    /// By a signal of this number.
    Signal(i32),
}

impl ExitStatus {
    /// The code that a shell or Docker would report: 128 + n for signal n.
    #[must_use]
    pub fn code(self) -> i32 {
        match self {
            Self::Code(code) => code,
            Self::Signal(signal) => 128 + signal,
        }
    }

    /// Whether the program ended by itself with code 0.
    #[must_use]
    pub fn success(self) -> bool {
        self == Self::Code(0)
    }

    pub(crate) fn from_wait(status: i32) -> Self {
        if libc::WIFSIGNALED(status) {
            Self::Signal(libc::WTERMSIG(status))
        } else {
            Self::Code(libc::WEXITSTATUS(status))
        }
    }
}

impl fmt::Display for ExitStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal(signal) => write!(f, "killed by signal {signal}"),
        }
    }
}

/// What a program and all the processes that it waited for used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Processor time in programs.
    pub user_time: Duration,
    /// Processor time in the kernel.
    pub system_time: Duration,
    /// Bytes: the peak of the cgroup where there is one, else the largest resident set of one process.
    pub peak_memory: u64,
    /// Processes killed because the limit of memory was reached.
    pub out_of_memory_kills: u64,
}

/// The end of a sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exit {
    /// How.
    pub status: ExitStatus,
    /// At what cost.
    pub usage: Usage,
}
