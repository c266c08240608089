//! The talk between a container's supervisor and other dhow processes, over a socket in the container's directory.
//!
//! A client sends one line and reads one line: `signal 15`, `resize 24 80` and `wait` are answered by `ok`, by
//! `error TEXT`, or at the end of the container by `exit CODE`. Whoever may open the directory may talk.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::signal::Signal;
use crate::stdio::WindowSize;

const NAME: &str = "control";

/// The longest request, in bytes.
const LONGEST: u64 = 256;

/// How long a supervisor waits for the line of a client that has connected.
const PATIENCE: Duration = Duration::from_secs(1);

/// What a client asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Request {
    Signal(Signal),
    Resize(WindowSize),
    /// To be told when the container ends.
    Wait,
}

impl Request {
    fn parse(line: &str) -> Option<Self> {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["signal", number] => Signal::from_number(number.parse().ok()?).map(Self::Signal),
            ["resize", rows, columns] => {
                Some(Self::Resize(WindowSize { rows: rows.parse().ok()?, columns: columns.parse().ok()? }))
            }
            ["wait"] => Some(Self::Wait),
            _ => None,
        }
    }

    fn line(self) -> String {
        match self {
            Self::Signal(signal) => format!("signal {}\n", signal.number()),
            Self::Resize(size) => format!("resize {} {}\n", size.rows, size.columns),
            Self::Wait => "wait\n".to_owned(),
        }
    }
}

/// A path to the socket that is short enough for a socket address, whatever the directory's own; it holds as long as
/// the file does.
fn short_path(directory: &Path) -> io::Result<(File, PathBuf)> {
    let handle = File::open(directory)?;
    let path = PathBuf::from(format!("/proc/self/fd/{}/{NAME}", handle.as_raw_fd()));
    Ok((handle, path))
}

/// Opens the supervisor's end; a socket that a dead supervisor left is replaced.
pub(crate) fn listen(directory: &Path) -> io::Result<UnixListener> {
    let (_handle, path) = short_path(directory)?;
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Takes one client and its request; `None` for one that does not speak.
pub(crate) fn accept(listener: &UnixListener) -> io::Result<Option<(UnixStream, Request)>> {
    let stream = match listener.accept() {
        Ok((stream, _)) => stream,
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
        Err(error) => return Err(error),
    };
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut line = String::new();
    if BufReader::new((&stream).take(LONGEST)).read_line(&mut line).is_err() {
        return Ok(None);
    }
    match Request::parse(&line) {
        Some(request) => Ok(Some((stream, request))),
        None => {
            answer(&stream, "error not understood");
            Ok(None)
        }
    }
}

/// Answers a client, who may have gone.
pub(crate) fn answer(mut stream: &UnixStream, line: &str) {
    let _ = writeln!(stream, "{line}");
}

/// Sends a request; the stream is for the answer.
pub(crate) fn connect(directory: &Path, request: Request) -> io::Result<UnixStream> {
    let (_handle, path) = short_path(directory)?;
    let mut stream = UnixStream::connect(path)?;
    stream.write_all(request.line().as_bytes())?;
    Ok(stream)
}

/// Reads the answer to anything but [`Request::Wait`].
pub(crate) fn read_answer(stream: UnixStream) -> io::Result<()> {
    let mut line = String::new();
    BufReader::new(stream.take(LONGEST)).read_line(&mut line)?;
    match line.trim_end() {
        "ok" => Ok(()),
        "" => Err(io::ErrorKind::UnexpectedEof.into()),
        other => Err(io::Error::other(other.strip_prefix("error ").unwrap_or(other).to_owned())),
    }
}

/// Waits for the end of the container for at most `timeout`; the inner `None` means that its supervisor ended without
/// a word, the outer that it still runs.
pub(crate) fn read_exit(stream: &UnixStream, timeout: Option<Duration>) -> io::Result<Option<Option<i32>>> {
    stream.set_read_timeout(timeout.map(|timeout| timeout.max(Duration::from_millis(1))))?;
    let mut line = String::new();
    match BufReader::new(stream.take(LONGEST)).read_line(&mut line) {
        Ok(_) => Ok(Some(line.trim_end().strip_prefix("exit ").and_then(|code| code.parse().ok()))),
        Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(Some(None)),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::{Request, accept, answer, connect, listen, read_answer, read_exit};
    use crate::signal::Signal;
    use crate::stdio::WindowSize;

    #[test]
    fn requests_survive_the_wire() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("d".repeat(200));
        std::fs::create_dir(&deep).unwrap();
        let listener = listen(&deep).unwrap();
        for request in
            [Request::Signal(Signal::TERM), Request::Resize(WindowSize { rows: 24, columns: 80 }), Request::Wait]
        {
            let client = connect(&deep, request).unwrap();
            let (stream, received) = accept(&listener).unwrap().unwrap();
            assert_eq!(received, request);
            if request == Request::Wait {
                assert_eq!(read_exit(&client, Some(std::time::Duration::from_millis(5))).unwrap(), None);
                answer(&stream, "exit 3");
                assert_eq!(read_exit(&client, None).unwrap(), Some(Some(3)));
            } else {
                answer(&stream, "error no");
                assert_eq!(read_answer(client).unwrap_err().to_string(), "no");
            }
        }
        assert!(accept(&listener).unwrap().is_none());
    }
}
