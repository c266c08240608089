//! What a `RUN` step's program writes, as events: line by line or rewriting by rewriting, nothing clipped, with bounded memory.

use std::os::fd::OwnedFd;
use std::time::Duration;

use dhow_runtime::Running;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use crate::cancel::CancelToken;
use crate::error::{BuildError, Result};
use crate::event::OutputStream;

/// The longest piece of a line without a line feed that is kept back, in bytes.
const LONGEST: usize = 64 * 1024;
/// How long a cancelled build may go on unseen.
const PATIENCE: Duration = Duration::from_millis(50);

/// A stream that is read, and what has come of its current line.
struct Reading {
    fd: OwnedFd,
    stream: OutputStream,
    pending: Vec<u8>,
}

/// Passes the program's output to `sink` until it has closed both streams.
///
/// # Errors
/// [`BuildError::Cancelled`]; the program is killed then.
pub(crate) fn follow(running: &mut Running, cancel: &CancelToken, sink: &dyn Fn(OutputStream, Vec<u8>)) -> Result<()> {
    let streams = [(running.take_stdout(), OutputStream::Stdout), (running.take_stderr(), OutputStream::Stderr)];
    let mut open: Vec<Reading> =
        streams.into_iter().filter_map(|(fd, stream)| Some(Reading { fd: fd?, stream, pending: Vec::new() })).collect();
    let mut buffer = vec![0; LONGEST];
    while !open.is_empty() {
        if cancel.is_cancelled() {
            running.kill()?;
            return Err(BuildError::Cancelled);
        }
        for at in ready(&open)?.into_iter().rev() {
            if !open[at].read(&mut buffer, sink)? {
                open.remove(at);
            }
        }
    }
    while !running.has_ended_within(PATIENCE)? {
        if cancel.is_cancelled() {
            running.kill()?;
            return Err(BuildError::Cancelled);
        }
    }
    Ok(())
}

/// The places of the streams that can be read; none when nothing came for a while.
fn ready(open: &[Reading]) -> Result<Vec<usize>> {
    let mut fds: Vec<PollFd<'_>> = open.iter().map(|reading| PollFd::new(&reading.fd, PollFlags::IN)).collect();
    let patience = Timespec { tv_sec: 0, tv_nsec: PATIENCE.subsec_nanos().into() };
    match poll(&mut fds, Some(&patience)) {
        Ok(_) | Err(Errno::INTR) => {}
        Err(errno) => return Err(BuildError::io("read", "the output of the program")(errno)),
    }
    Ok((0..fds.len()).filter(|at| !fds[*at].revents().is_empty()).collect())
}

impl Reading {
    /// Reads once; whether there may be more.
    fn read(&mut self, buffer: &mut [u8], sink: &dyn Fn(OutputStream, Vec<u8>)) -> Result<bool> {
        let count = match rustix::io::read(&self.fd, &mut *buffer) {
            Ok(count) => count,
            Err(Errno::INTR | Errno::AGAIN) => return Ok(true),
            Err(errno) => return Err(BuildError::io("read", "the output of the program")(errno)),
        };
        if count == 0 {
            self.flush(sink);
            return Ok(false);
        }
        for piece in buffer[..count].split_inclusive(|byte| *byte == b'\n') {
            self.pending.extend_from_slice(piece);
            if piece.ends_with(b"\n") || self.pending.len() >= LONGEST {
                self.flush(sink);
            }
        }
        // Programs that show their progress write the same line again and again.
        if let Some(end) = self.pending.iter().rposition(|byte| *byte == b'\r') {
            let rest = self.pending.split_off(end + 1);
            self.flush(sink);
            self.pending = rest;
        }
        Ok(true)
    }

    fn flush(&mut self, sink: &dyn Fn(OutputStream, Vec<u8>)) {
        if !self.pending.is_empty() {
            sink(self.stream, std::mem::take(&mut self.pending));
        }
    }
}
