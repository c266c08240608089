//! The talk between a container's supervisor and other dhow processes, over a socket in the container's directory.
//!
//! A client sends one line and reads one line: `signal 15` and `resize 24 80` are answered by `ok` or `error TEXT`,
//! `wait` by `exit CODE` at the end of the container. `exec JSON` comes with descriptors for the standard streams and
//! is answered by `ok`, with the other side of the terminal if one was asked for, and by `exit CODE` at the program's
//! end, or by `failed CODE TEXT`. Whoever may open the directory may talk.

use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, recv,
    recvmsg, sendmsg,
};

use crate::container::exec::ExecRequest;
use crate::signal::Signal;
use crate::stdio::WindowSize;

const NAME: &str = "control";

/// The longest line, in bytes: arguments and environment of a program may be long.
const LONGEST: usize = 4 << 20;

/// As many descriptors as come with a line.
const DESCRIPTORS: usize = 3;

/// How long a supervisor waits for the line of a client that has connected.
const PATIENCE: Duration = Duration::from_secs(1);

/// What a client asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Request {
    Signal(Signal),
    Resize(WindowSize),
    /// To be told when the container ends.
    Wait,
    /// To run another program.
    Exec(ExecRequest),
}

impl Request {
    fn parse(line: &str) -> Option<Self> {
        if let Some(request) = line.strip_prefix("exec ") {
            return serde_json::from_str(request).ok().map(Self::Exec);
        }
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

    fn line(&self) -> String {
        match self {
            Self::Exec(request) => format!("exec {}\n", serde_json::json!(request)),
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

/// A client with its request.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) stream: UnixStream,
    pub(crate) request: Request,
    pub(crate) descriptors: Vec<OwnedFd>,
}

/// Takes one client and its request; `None` for one that does not speak.
pub(crate) fn accept(listener: &UnixListener) -> io::Result<Option<Call>> {
    let stream = match listener.accept() {
        Ok((stream, _)) => stream,
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
        Err(error) => return Err(error),
    };
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let Ok((line, descriptors)) = receive(&stream) else { return Ok(None) };
    match Request::parse(&line) {
        Some(request) => Ok(Some(Call { stream, request, descriptors })),
        None => {
            answer(&stream, "error not understood");
            Ok(None)
        }
    }
}

/// Answers a client, who may have gone.
pub(crate) fn answer(stream: &UnixStream, line: &str) {
    let _ = send(stream, &format!("{line}\n"), &[]);
}

/// Sends a request; the stream is for the answer.
pub(crate) fn connect(directory: &Path, request: &Request, descriptors: &[BorrowedFd<'_>]) -> io::Result<UnixStream> {
    let (_handle, path) = short_path(directory)?;
    let stream = UnixStream::connect(path)?;
    send(&stream, &request.line(), descriptors)?;
    Ok(stream)
}

/// Sends a line, with descriptors at its first byte.
pub(crate) fn send(mut stream: &UnixStream, line: &str, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() {
        control.push(SendAncillaryMessage::ScmRights(descriptors));
    }
    let sent = sendmsg(stream, &[IoSlice::new(line.as_bytes())], &mut control, SendFlags::NOSIGNAL)?;
    stream.write_all(&line.as_bytes()[sent..])
}

/// Receives a line without its newline, and the descriptors that came with it; an empty one at the end.
pub(crate) fn receive(stream: &UnixStream) -> io::Result<(String, Vec<OwnedFd>)> {
    let (mut line, mut descriptors) = (Vec::new(), Vec::new());
    let mut buffer = [0; 4096];
    while !line.ends_with(b"\n") && line.len() < LONGEST {
        // Only this line is taken; the next may be there already.
        let length = match recv(stream, &mut buffer, RecvFlags::PEEK) {
            Ok((length, _)) => length,
            Err(Errno::INTR) => continue,
            Err(Errno::CONNRESET) => 0,
            Err(errno) => return Err(errno.into()),
        };
        let end = buffer[..length].iter().position(|byte| *byte == b'\n').map_or(length, |newline| newline + 1);
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let received =
            recvmsg(stream, &mut [IoSliceMut::new(&mut buffer[..end])], &mut control, RecvFlags::CMSG_CLOEXEC)?.bytes;
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(received) = message {
                descriptors.extend(received);
            }
        }
        if received == 0 {
            break;
        }
        line.extend_from_slice(&buffer[..received]);
    }
    Ok((String::from_utf8_lossy(&line).trim_end_matches('\n').to_owned(), descriptors))
}

/// Reads the answer to a signal or a new size.
pub(crate) fn read_answer(stream: &UnixStream) -> io::Result<()> {
    match receive(stream)?.0.as_str() {
        "ok" => Ok(()),
        "" => Err(io::ErrorKind::UnexpectedEof.into()),
        other => Err(io::Error::other(other.strip_prefix("error ").unwrap_or(other).to_owned())),
    }
}

/// Waits for `exit CODE` for at most `timeout`; the inner `None` means that the supervisor ended without a word, the
/// outer that there was no word yet.
pub(crate) fn read_exit(stream: &UnixStream, timeout: Option<Duration>) -> io::Result<Option<Option<i32>>> {
    stream.set_read_timeout(timeout.map(|timeout| timeout.max(Duration::from_millis(1))))?;
    match receive(stream) {
        Ok((line, _)) => Ok(Some(line.strip_prefix("exit ").and_then(|code| code.parse().ok()))),
        Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::{Request, accept, answer, connect, listen, read_answer, read_exit, receive, send};
    use crate::container::exec::ExecRequest;
    use crate::signal::Signal;
    use crate::stdio::WindowSize;

    #[test]
    fn requests_survive_the_wire() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("d".repeat(200));
        std::fs::create_dir(&deep).unwrap();
        let listener = listen(&deep).unwrap();
        let exec = ExecRequest {
            args: vec!["a b".to_owned(), "\n\"".to_owned()],
            env: vec!["X=".to_owned() + &"y".repeat(10_000)],
            cwd: "/".to_owned(),
            user: "alice".to_owned(),
            terminal: true,
        };
        let file = std::fs::File::open("/dev/null").unwrap();
        for (request, descriptors) in [
            (Request::Signal(Signal::TERM), &[][..]),
            (Request::Resize(WindowSize { rows: 24, columns: 80 }), &[]),
            (Request::Wait, &[]),
            (Request::Exec(exec), &[file.as_fd(), file.as_fd(), file.as_fd()]),
        ] {
            let client = connect(&deep, &request, descriptors).unwrap();
            let call = accept(&listener).unwrap().unwrap();
            assert_eq!((&call.request, call.descriptors.len()), (&request, descriptors.len()));
            if let Request::Exec(_) = request {
                send(&call.stream, "ok\n", &[file.as_fd()]).unwrap();
                answer(&call.stream, "exit 5");
                let (line, descriptors) = receive(&client).unwrap();
                assert_eq!((line.as_str(), descriptors.len()), ("ok", 1));
                assert_eq!(read_exit(&client, None).unwrap(), Some(Some(5)));
            } else if request == Request::Wait {
                assert_eq!(read_exit(&client, Some(std::time::Duration::from_millis(5))).unwrap(), None);
                answer(&call.stream, "exit 3");
                assert_eq!(read_exit(&client, None).unwrap(), Some(Some(3)));
            } else {
                answer(&call.stream, "error no");
                assert_eq!(read_answer(&client).unwrap_err().to_string(), "no");
            }
            drop(call);
            assert_eq!(read_exit(&client, None).unwrap(), Some(None));
        }
        assert!(accept(&listener).unwrap().is_none());
    }
}
