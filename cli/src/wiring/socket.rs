//! A connection that blocks, but neither for ever nor against the user's will.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use crate::interrupt::Interrupt;

/// How long each address of a host may take to answer.
const CONNECT: Duration = Duration::from_secs(30);
/// How long nothing may come, and nothing be taken.
const IDLE: Duration = Duration::from_secs(60);
/// How long a signal may go unseen.
const TICK: Duration = Duration::from_millis(200);

/// A connection to a host.
#[derive(Debug)]
pub(crate) struct Socket {
    stream: TcpStream,
    interrupt: Interrupt,
}

impl Socket {
    /// Connects to the first address of the host that answers.
    ///
    /// # Errors
    /// None does.
    pub(crate) fn connect(host: (&str, u16)) -> io::Result<Self> {
        let interrupt = Interrupt::current();
        let mut failure = io::Error::other("the host has no address");
        for address in host.to_socket_addrs()? {
            interrupt.check().map_err(io::Error::other)?;
            match TcpStream::connect_timeout(&address, CONNECT) {
                Ok(stream) => {
                    stream.set_read_timeout(Some(TICK))?;
                    stream.set_write_timeout(Some(TICK))?;
                    stream.set_nodelay(true)?;
                    return Ok(Self { stream, interrupt });
                }
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    /// Does `work` until it has done something, a signal comes, or it has taken too long.
    fn patiently(&mut self, mut work: impl FnMut(&mut TcpStream) -> io::Result<usize>) -> io::Result<usize> {
        let start = Instant::now();
        loop {
            self.interrupt.check().map_err(io::Error::other)?;
            match work(&mut self.stream) {
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    if start.elapsed() >= IDLE {
                        return Err(io::Error::new(ErrorKind::TimedOut, "nothing came for a minute"));
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                done => return done,
            }
        }
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.patiently(|stream| stream.read(buffer))
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.patiently(|stream| stream.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}
