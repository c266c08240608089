//! Another program in a running container (`dhow exec`): the side of the process that asks for it.
//!
//! The container's supervisor starts the program, see `entries.rs`; this side carries its streams. Signals are not
//! passed on, as by Docker; with a terminal, keys such as Ctrl-C reach the program through it.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use nix::sys::signal::{SigSet, SigmaskHow, Signal as NixSignal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::event::{PollFd, PollFlags, poll};
use serde::{Deserialize, Serialize};

use crate::container::control::{self, Request};
use crate::container::handle::Container;
use crate::container::log::LogStream;
use crate::container::pump::{Pump, Turn};
use crate::container::supervisor::Input;
use crate::container::terminal::{RawTerminal, own_window_size};
use crate::error::{Error, Result};
use crate::sandbox::set_window_size;

/// A program to run in a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecRequest {
    /// The program and its arguments.
    pub args: Vec<String>,
    /// The whole environment, each `KEY=value`. Without a `HOME` it is the user's.
    pub env: Vec<String>,
    /// The working directory, which must exist.
    pub cwd: String,
    /// `user[:group]`, as in [`User::resolve`](crate::User::resolve).
    pub user: String,
    /// Whether it gets a terminal of its own (`-t`).
    pub terminal: bool,
}

impl Container {
    /// Runs a program in the container with the streams of this process, and gives its exit code. What cannot be
    /// started is told with Docker's codes 126 and 127 by [`Error::exit_code`].
    ///
    /// # Errors
    /// [`Error::WrongState`] when the container does not run, [`Error::Supervisor`] with what the supervisor said.
    pub fn exec(&self, request: &ExecRequest, input: Input) -> Result<i32> {
        let carried = |error| Error::system("carry the program's streams", error);
        let (theirs, mut pumps) = streams(request, input).map_err(carried)?;
        // The end of the program's output is seen only when nobody else could write: they are given away.
        let (stream, terminal) = self.start_entry(request, theirs)?;
        let raw = (terminal.is_some() && input == Input::Forwarded).then(RawTerminal::enter).flatten();
        if let Some(terminal) = &terminal {
            pumps = terminal_pumps(terminal, input).map_err(carried)?;
        }
        let code = Session { stream, terminal, pumps }.run();
        drop(raw);
        code
    }

    /// Starts a program in the container that nobody sees and nobody waits for; it ends with the container. A
    /// terminal is not made.
    ///
    /// # Errors
    /// Those of [`exec`](Self::exec).
    pub fn exec_detached(&self, request: &ExecRequest) -> Result<()> {
        let null = || File::options().read(true).write(true).open("/dev/null");
        let streams: io::Result<Vec<OwnedFd>> =
            [null(), null(), null()].into_iter().map(|file| file.map(OwnedFd::from)).collect();
        let streams = streams.map_err(|error| Error::io("open", "/dev/null", error))?;
        self.start_entry(&ExecRequest { terminal: false, ..request.clone() }, streams).map(drop)
    }

    /// Has the supervisor start the program; the connection to it, and the program's terminal if it has one.
    fn start_entry(&self, request: &ExecRequest, streams: Vec<OwnedFd>) -> Result<(UnixStream, Option<OwnedFd>)> {
        let lent: Vec<BorrowedFd<'_>> = streams.iter().map(AsFd::as_fd).collect();
        let stream = control::connect(self.directory(), &Request::Exec(request.clone()), &lent);
        let stream = stream.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => self.wrong_state("enter", "not running"),
            _ => Error::io("connect to", self.directory().join("control"), error),
        })?;
        drop(streams);
        let (answer, mut descriptors) =
            control::receive(&stream).map_err(|error| Error::system("hear from the supervisor", error))?;
        if answer != "ok" {
            return Err(refusal(&answer));
        }
        Ok((stream, descriptors.pop()))
    }
}

/// `failed CODE TEXT`
fn refusal(answer: &str) -> Error {
    let (code, said) = answer.strip_prefix("failed ").and_then(|rest| rest.split_once(' ')).unwrap_or(("125", answer));
    Error::Entry { said: said.to_owned(), exit_code: code.parse().unwrap_or(125) }
}

/// The program's ends of its streams, and the pumps that carry them. With a terminal, both come later.
fn streams(request: &ExecRequest, input: Input) -> io::Result<(Vec<OwnedFd>, Vec<Pump>)> {
    if request.terminal {
        return Ok((Vec::new(), Vec::new()));
    }
    let (stdout, their_stdout) = io::pipe()?;
    let (stderr, their_stderr) = io::pipe()?;
    let own = |stream: BorrowedFd<'_>| stream.try_clone_to_owned().map(Some);
    let mut pumps = vec![
        Pump::output(stdout.into(), own(rustix::stdio::stdout())?, LogStream::Stdout),
        Pump::output(stderr.into(), own(rustix::stdio::stderr())?, LogStream::Stderr),
    ];
    let their_stdin: OwnedFd = if input == Input::Forwarded {
        let (theirs, stdin) = io::pipe()?;
        pumps.push(Pump::input(rustix::stdio::stdin().try_clone_to_owned()?, stdin.into()));
        theirs.into()
    } else {
        File::open("/dev/null")?.into()
    };
    Ok((vec![their_stdin, their_stdout.into(), their_stderr.into()], pumps))
}

fn terminal_pumps(terminal: &OwnedFd, input: Input) -> io::Result<Vec<Pump>> {
    let stdout = rustix::stdio::stdout().try_clone_to_owned()?;
    let mut pumps = vec![Pump::output(terminal.try_clone()?, Some(stdout), LogStream::Stdout)];
    if input == Input::Forwarded {
        pumps.push(Pump::input(rustix::stdio::stdin().try_clone_to_owned()?, terminal.try_clone()?));
    }
    Ok(pumps)
}

/// A program that runs in the container.
struct Session {
    stream: UnixStream,
    terminal: Option<OwnedFd>,
    pumps: Vec<Pump>,
}

impl Session {
    fn run(mut self) -> Result<i32> {
        // With a terminal in raw mode, this process must live to set it right again.
        let mut handled = SigSet::empty();
        if self.terminal.is_some() {
            let signals = [NixSignal::SIGWINCH, NixSignal::SIGTERM, NixSignal::SIGHUP, NixSignal::SIGINT];
            signals.into_iter().for_each(|signal| handled.add(signal));
        }
        let failed = |errno: nix::Error| Error::system("receive signals", errno);
        let before = handled.thread_swap_mask(SigmaskHow::SIG_BLOCK).map_err(failed)?;
        let signals = SignalFd::with_flags(&handled, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK).map_err(failed)?;
        self.follow_window();
        let code = self.carry(&signals);
        before.thread_set_mask().map_err(failed)?;
        code
    }

    /// Goes on until the exit code is known and the last words are out.
    fn carry(&mut self, signals: &SignalFd) -> Result<i32> {
        let mut code = None;
        loop {
            if let Some(code) = code
                && self.pumps.iter().all(|pump| pump.stream().is_none())
            {
                return Ok(code);
            }
            let ready = self.poll(signals, code)?;
            if ready.contains(&Ready::Signals)
                && let Some(signal) = self.take_signals(signals)?
            {
                return Ok(128 + signal);
            }
            if ready.contains(&Ready::Answer) {
                let (line, _) =
                    control::receive(&self.stream).map_err(|error| Error::system("hear from the supervisor", error))?;
                // A supervisor that ends without a word was killed, and everything with it.
                code = Some(line.strip_prefix("exit ").and_then(|code| code.parse().ok()).unwrap_or(137));
            }
            for (index, pump) in self.pumps.iter_mut().enumerate() {
                if ready.contains(&Ready::Pump(index)) && pump.turn(|_| ()) == Turn::Closed {
                    pump.close();
                }
            }
            self.pumps.retain(|pump| !pump.is_closed());
        }
    }

    fn poll(&self, signals: &SignalFd, code: Option<i32>) -> Result<Vec<Ready>> {
        let mut sources = vec![(Ready::Signals, signals.as_fd(), PollFlags::IN)];
        if code.is_none() {
            sources.push((Ready::Answer, self.stream.as_fd(), PollFlags::IN));
        }
        for (index, pump) in self.pumps.iter().enumerate() {
            let (descriptor, flags) = pump.interest();
            sources.push((Ready::Pump(index), descriptor, flags));
        }
        let mut polled: Vec<PollFd<'_>> =
            sources.iter().map(|(_, descriptor, flags)| PollFd::from_borrowed_fd(*descriptor, *flags)).collect();
        match poll(&mut polled, None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(Error::system("wait for a program", errno)),
        }
        let ready = sources.iter().zip(&polled).filter(|(_, polled)| !polled.revents().is_empty());
        Ok(ready.map(|((ready, _, _), _)| *ready).collect())
    }

    /// A signal that ends this process.
    fn take_signals(&self, signals: &SignalFd) -> Result<Option<i32>> {
        let failed = |errno: nix::Error| Error::system("receive signals", errno);
        while let Some(received) = signals.read_signal().map_err(failed)? {
            match received.ssi_signo as i32 {
                libc::SIGWINCH => self.follow_window(),
                other => return Ok(Some(other)),
            }
        }
        Ok(None)
    }

    fn follow_window(&self) {
        if let (Some(terminal), Some(size)) = (&self.terminal, own_window_size()) {
            let _ = set_window_size(terminal, size);
        }
    }
}

/// What poll(2) found ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ready {
    Signals,
    Answer,
    Pump(usize),
}
