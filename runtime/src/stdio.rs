//! Where a sandbox's standard streams lead.

use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};

/// The standard streams of a program.
#[derive(Debug)]
pub enum Stdio {
    /// Three separate streams.
    Streams {
        /// Descriptor 0.
        stdin: Stream,
        /// Descriptor 1.
        stdout: Stream,
        /// Descriptor 2.
        stderr: Stream,
    },
    /// A pseudo terminal of the sandbox's own (`-t`); the parent gets its other side.
    Terminal(WindowSize),
}

/// Where one standard stream leads.
#[derive(Debug)]
pub enum Stream {
    /// To where dhow's own leads.
    Inherit,
    /// To `/dev/null` of the host.
    Null,
    /// To a pipe whose other end the parent gets.
    Pipe,
    /// To an open file.
    File(OwnedFd),
}

/// The size of a terminal in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowSize {
    /// Lines.
    pub rows: u16,
    /// Characters a line.
    pub columns: u16,
}

impl Stdio {
    /// All three as dhow's own.
    #[must_use]
    pub fn inherit() -> Self {
        Self::Streams { stdin: Stream::Inherit, stdout: Stream::Inherit, stderr: Stream::Inherit }
    }

    /// No input, and output through pipes: a `RUN` step.
    #[must_use]
    pub fn output() -> Self {
        Self::Streams { stdin: Stream::Null, stdout: Stream::Pipe, stderr: Stream::Pipe }
    }

    /// Pipes for all three.
    #[must_use]
    pub fn pipes() -> Self {
        Self::Streams { stdin: Stream::Pipe, stdout: Stream::Pipe, stderr: Stream::Pipe }
    }
}

/// The two ends of a stream: what the child gets as its standard stream, and what the parent keeps.
#[derive(Debug, Default)]
pub(crate) struct StreamEnds {
    /// `None` keeps the descriptor that the child inherits.
    pub(crate) child: Option<OwnedFd>,
    pub(crate) parent: Option<OwnedFd>,
    /// Whether the child's end is a new pipe, which the program's user must be able to open again.
    pub(crate) is_pipe: bool,
}

/// Which way a stream flows, seen from the program.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Direction {
    In,
    Out,
}

impl Stream {
    pub(crate) fn open(self, direction: Direction) -> Result<StreamEnds, Errno> {
        match self {
            Self::Inherit => Ok(StreamEnds::default()),
            Self::File(file) => Ok(StreamEnds { child: Some(file), ..StreamEnds::default() }),
            Self::Null => {
                use rustix::fs::{Mode, OFlags, open};
                let null = open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
                Ok(StreamEnds { child: Some(null), ..StreamEnds::default() })
            }
            Self::Pipe => {
                let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
                let (child, parent) = match direction {
                    Direction::In => (read, write),
                    Direction::Out => (write, read),
                };
                Ok(StreamEnds { child: Some(child), parent: Some(parent), is_pipe: true })
            }
        }
    }
}
