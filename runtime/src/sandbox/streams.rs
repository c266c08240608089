//! The two sides of a program's standard streams.

use std::io;
use std::os::fd::OwnedFd;

use crate::plan::Streams;
use crate::stdio::{Direction, Stdio};

/// This side of the standard streams.
#[derive(Debug, Default)]
pub(super) struct ParentStreams {
    pub(super) stdin: Option<OwnedFd>,
    pub(super) stdout: Option<OwnedFd>,
    pub(super) stderr: Option<OwnedFd>,
    pub(super) terminal: Option<OwnedFd>,
}

/// Opens both sides.
pub(super) fn open_streams(stdio: Stdio) -> io::Result<(Streams, ParentStreams)> {
    match stdio {
        Stdio::Terminal(size) => Ok((Streams::Terminal(size), ParentStreams::default())),
        Stdio::Streams { stdin, stdout, stderr } => {
            let mut stdin = stdin.open(Direction::In)?;
            let mut stdout = stdout.open(Direction::Out)?;
            let mut stderr = stderr.open(Direction::Out)?;
            let parent = ParentStreams {
                stdin: stdin.parent.take(),
                stdout: stdout.parent.take(),
                stderr: stderr.parent.take(),
                terminal: None,
            };
            Ok((Streams::Separate([stdin, stdout, stderr]), parent))
        }
    }
}
