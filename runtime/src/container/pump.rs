//! Carries bytes from one descriptor to another without ever blocking its caller for long.
//!
//! A pump reads only when what it read before has been written, so that memory is bounded and a slow reader slows the
//! program down.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::PollFlags;
use rustix::io::Errno;

use crate::container::log::LogStream;

const CAPACITY: usize = 64 << 10;

/// What can be written at once to a pipe that poll(2) calls writable.
const PIECE: usize = 4096;

/// One direction of one stream.
#[derive(Debug)]
pub(crate) struct Pump {
    from: OwnedFd,
    to: Option<OwnedFd>,
    stream: Option<LogStream>,
    buffer: Vec<u8>,
    written: usize,
    closed: bool,
}

/// What came of one turn.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// There may be more.
    Open,
    /// One of the two sides is closed: drop the pump, so that the other side learns of it.
    Closed,
}

impl Pump {
    /// Output of the program, for the log and, if there is one, for `to`.
    pub(crate) fn output(from: OwnedFd, to: Option<OwnedFd>, stream: LogStream) -> Self {
        Self { from, to, stream: Some(stream), buffer: Vec::new(), written: 0, closed: false }
    }

    /// Input for the program.
    pub(crate) fn input(from: OwnedFd, to: OwnedFd) -> Self {
        Self { from, to: Some(to), stream: None, buffer: Vec::new(), written: 0, closed: false }
    }

    /// Which stream of the program's output this is.
    pub(crate) fn stream(&self) -> Option<LogStream> {
        self.stream
    }

    /// Notes that it is done.
    pub(crate) fn close(&mut self) {
        self.closed = true;
    }

    /// Whether it is done and to be dropped.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Whether this is output of which something could not be written.
    pub(crate) fn is_unread(&self) -> bool {
        self.stream.is_some() && self.written < self.buffer.len()
    }

    /// What to poll for.
    pub(crate) fn interest(&self) -> (BorrowedFd<'_>, PollFlags) {
        match &self.to {
            Some(to) if self.written < self.buffer.len() => (to.as_fd(), PollFlags::OUT),
            _ => (self.from.as_fd(), PollFlags::IN),
        }
    }

    /// Does what poll(2) said can be done; hands new bytes to `seen`.
    pub(crate) fn turn(&mut self, seen: impl FnOnce(&[u8])) -> Turn {
        let result = match &self.to {
            Some(to) if self.written < self.buffer.len() => {
                let end = self.buffer.len().min(self.written + PIECE);
                rustix::io::write(to, &self.buffer[self.written..end]).map(|count| self.written += count)
            }
            _ => self.fill(seen),
        };
        match result {
            Ok(()) | Err(Errno::INTR | Errno::AGAIN) => Turn::Open,
            Err(_) => Turn::Closed,
        }
    }

    /// The end of the input is told as a broken pipe, the same as a reader that has gone.
    fn fill(&mut self, seen: impl FnOnce(&[u8])) -> Result<(), Errno> {
        self.buffer.resize(CAPACITY, 0);
        let count = rustix::io::read(&self.from, &mut self.buffer[..]);
        self.buffer.truncate(*count.as_ref().unwrap_or(&0));
        self.written = 0;
        if count? == 0 {
            return Err(Errno::PIPE);
        }
        seen(&self.buffer);
        if self.to.is_none() {
            self.buffer.clear();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    use super::{Pump, Turn};
    use crate::container::log::LogStream;

    #[test]
    fn all_bytes_arrive_and_the_end_is_passed_on() {
        let (mut source, from) = UnixStream::pair().unwrap();
        let (to, mut sink) = UnixStream::pair().unwrap();
        let sent: Vec<u8> = (0..100_000_u32).map(|number| number as u8).collect();
        let expected = sent.clone();
        let writer = std::thread::spawn(move || source.write_all(&sent).unwrap());
        let reader = std::thread::spawn(move || {
            let mut bytes = Vec::new();
            sink.read_to_end(&mut bytes).unwrap();
            bytes
        });
        let mut seen = 0;
        let mut pump = Pump::output(from.into(), Some(to.into()), LogStream::Stdout);
        while pump.turn(|bytes| seen += bytes.len()) == Turn::Open {}
        drop(pump);
        writer.join().unwrap();
        assert_eq!(reader.join().unwrap(), expected);
        assert_eq!(seen, expected.len());
    }

    #[test]
    fn a_reader_that_has_gone_closes_the_pump() {
        let (to, sink) = UnixStream::pair().unwrap();
        drop(sink);
        let mut pump = Pump::input(File::open("/dev/zero").unwrap().into(), to.into());
        assert_eq!(pump.turn(|_| ()), Turn::Open);
        assert_eq!(pump.turn(|_| ()), Turn::Closed);
    }
}
