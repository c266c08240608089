//! The process that runs a container: carries its streams, writes its log, obeys its control socket, records its end.
//!
//! In the foreground this is the dhow that was typed; detached it is one of its own, see [`become_supervisor`]. It has
//! one thread, since the sandbox ends with the thread that made it, and since signals are to come to its poll(2).

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::{Duration, Instant};

use nix::sys::signal::SigSet;
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::bundle::Bundle;
use crate::container::control::{self, Request};
use crate::container::entries::{Confinement, Entry};
use crate::container::handle::Container;
use crate::container::log::{LogStream, LogWriter};
use crate::container::pump::{Pump, Turn};
use crate::container::state::{ContainerState, ContainerStatus, now};
use crate::container::terminal::{RawTerminal, own_window_size};
use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::sandbox::{Running, Sandbox, Signaller, set_window_size};
use crate::signal::Signal;
use crate::stdio::{Stdio, Stream, WindowSize};
use crate::sys;

/// The byte by which a detached supervisor says that the program runs.
pub(crate) const STARTED: u8 = 0;

/// The size of a terminal that nobody looks at yet.
const UNSEEN: WindowSize = WindowSize { rows: 24, columns: 80 };

/// How long a program may go on whose reader has gone. As process 1 it is immune to SIGPIPE, which ends any other.
const UNREAD: Duration = Duration::from_secs(1);

/// So many times a person asks a program to end before it is killed.
const PATIENCE: u32 = 3;

/// Who is at a container's other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Console {
    /// Nobody: output goes to the log only.
    Detached,
    /// The streams of this process, too; its signals are passed on.
    Foreground(Input),
}

/// What a program in the foreground reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// Nothing.
    Closed,
    /// The standard input of this process.
    Forwarded,
}

/// Makes this process one that outlives its parent: call it first thing in a program that
/// [`Container::start_supervisor`] started. It takes no terminal and no open file of its parent with it.
pub fn become_supervisor() {
    let _ = sys::close_range(3, u32::MAX, 0);
    let _ = rustix::process::setsid();
    let _ = rustix::process::chdir("/");
}

/// A container's end. Until it is dropped, the container counts as running, and others wait for it.
#[derive(Debug)]
pub struct Ended {
    /// How its program ended.
    pub exit: Exit,
    container: Container,
    lock: File,
    waiting: Vec<UnixStream>,
}

impl Ended {
    /// Removes the container (`--rm`) before anyone who waits for its end hears of it.
    ///
    /// # Errors
    /// [`Error::Io`] when its directory cannot be removed.
    pub fn remove(self) -> Result<()> {
        self.container.remove_locked(&self.lock)
    }
}

impl Drop for Ended {
    fn drop(&mut self) {
        for stream in &self.waiting {
            control::answer(stream, &format!("exit {}", self.exit.status.code()));
        }
    }
}

impl Container {
    /// Runs the container to its end. Call it in a process with no other thread, or with all signals blocked there.
    ///
    /// # Errors
    /// [`Error::WrongState`] when it runs already, and what [`Sandbox::create`] and its start say; that is recorded in
    /// the container's state too.
    pub fn supervise(&self, bundle: Bundle, console: Console) -> Result<Ended> {
        let lock = self.lock("start")?;
        let mask = SigSet::all().thread_swap_mask(nix::sys::signal::SigmaskHow::SIG_SETMASK);
        let mask = mask.map_err(|errno| Error::system("block signals", errno))?;
        let outcome = Supervision::begin(self, bundle, console).and_then(Supervision::run);
        let _ = mask.thread_set_mask();
        match outcome {
            Ok((exit, waiting)) => Ok(Ended { exit, container: self.clone(), lock, waiting }),
            Err(error) => {
                let mut state = ContainerState::read(self.directory())?;
                state.status = ContainerStatus::Exited;
                state.pid = None;
                state.exit_code = Some(error.exit_code());
                state.finished = Some(now());
                state.error = Some(error.to_string());
                state.write(self.directory())?;
                Err(error)
            }
        }
    }
}

/// A container that runs.
struct Supervision<'a> {
    container: &'a Container,
    running: Option<Running>,
    signaller: Signaller,
    terminal: Option<OwnedFd>,
    listener: UnixListener,
    signals: SignalFd,
    log: LogWriter,
    pumps: Vec<Pump>,
    waiting: Vec<UnixStream>,
    confinement: Confinement,
    entries: Vec<Entry>,
    exit: Option<Exit>,
    asked_to_end: u32,
    /// When the program is killed because nobody reads its output.
    deadline: Option<Instant>,
    _raw: Option<RawTerminal>,
}

/// What poll(2) found ready.
#[derive(Clone, Copy)]
enum Ready {
    Program,
    Control,
    Signals,
    Pump(usize),
    Entry(usize),
}

impl<'a> Supervision<'a> {
    fn begin(container: &'a Container, bundle: Bundle, console: Console) -> Result<Self> {
        let directory = container.directory();
        let log = LogWriter::open(directory).map_err(|error| Error::io("open the log in", directory, error))?;
        let listener = control::listen(directory).map_err(|error| Error::io("open a socket in", directory, error))?;
        let signals = SignalFd::with_flags(&SigSet::all(), SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK);
        let signals = signals.map_err(|errno| Error::system("receive signals", errno))?;
        let confinement = Confinement::of(&bundle);
        let mut running = Sandbox::create(bundle, stdio(container, console))?.start()?;
        let mut state = ContainerState::created();
        state.status = ContainerStatus::Running;
        state.pid = Some(running.pid());
        state.started = Some(now());
        state.write(directory)?;
        let raw = match (console, container.config().terminal) {
            (Console::Foreground(Input::Forwarded), true) => RawTerminal::enter(),
            _ => None,
        };
        let (pumps, terminal) =
            pumps(&mut running, console).map_err(|error| Error::system("carry the container's streams", error))?;
        if console == Console::Detached {
            announce().map_err(|error| Error::system("let go of the parent's streams", error))?;
        }
        Ok(Self {
            container,
            signaller: running.signaller()?,
            running: Some(running),
            terminal,
            listener,
            signals,
            log,
            pumps,
            waiting: Vec::new(),
            confinement,
            entries: Vec::new(),
            exit: None,
            asked_to_end: 0,
            deadline: None,
            _raw: raw,
        })
    }

    /// Goes on until the program has ended and its last words are out.
    fn run(mut self) -> Result<(Exit, Vec<UnixStream>)> {
        loop {
            if let Some(exit) = self.exit
                && self.pumps.iter().all(|pump| pump.stream().is_none())
            {
                return self.finish(exit);
            }
            for ready in self.poll()? {
                self.serve(ready)?;
            }
            self.finish_entries()?;
            if self.deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                self.deadline = None;
                self.signaller.kill()?;
            }
            self.pumps.retain(|pump| !pump.is_closed());
        }
    }

    fn poll(&self) -> Result<Vec<Ready>> {
        let mut sources = vec![(Ready::Control, self.listener.as_fd(), PollFlags::IN)];
        sources.push((Ready::Signals, self.signals.as_fd(), PollFlags::IN));
        sources.extend(self.running.iter().map(|running| (Ready::Program, running.as_fd(), PollFlags::IN)));
        for (index, pump) in self.pumps.iter().enumerate() {
            let (descriptor, flags) = pump.interest();
            sources.push((Ready::Pump(index), descriptor, flags));
        }
        for (index, entry) in self.entries.iter().enumerate() {
            sources.push((Ready::Entry(index), entry.as_fd(), PollFlags::IN));
        }
        let mut polled: Vec<PollFd<'_>> =
            sources.iter().map(|(_, descriptor, flags)| PollFd::from_borrowed_fd(*descriptor, *flags)).collect();
        let left = self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let left = left.map(|left| Timespec { tv_sec: left.as_secs() as i64, tv_nsec: left.subsec_nanos().into() });
        match poll(&mut polled, left.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(Error::system("wait for a container", errno)),
        }
        let ready = sources.iter().zip(&polled).filter(|(_, polled)| !polled.revents().is_empty());
        Ok(ready.map(|((ready, _, _), _)| *ready).collect())
    }

    fn serve(&mut self, ready: Ready) -> Result<()> {
        match ready {
            Ready::Program => {
                if let Some(running) = self.running.take() {
                    self.exit = Some(running.wait()?);
                }
                Ok(())
            }
            Ready::Control => self.obey(),
            Ready::Signals => self.pass_signals(),
            Ready::Pump(index) => self.carry(index),
            Ready::Entry(index) => {
                self.entries[index].note_end();
                Ok(())
            }
        }
    }

    fn finish_entries(&mut self) -> Result<()> {
        let (ended, running): (Vec<Entry>, Vec<Entry>) =
            std::mem::take(&mut self.entries).into_iter().partition(Entry::has_ended);
        self.entries = running;
        ended.into_iter().try_for_each(Entry::finish)
    }

    fn carry(&mut self, index: usize) -> Result<()> {
        let pump = &mut self.pumps[index];
        let log = &mut self.log;
        let mut logged = Ok(());
        let stream = pump.stream();
        let turn = pump.turn(|bytes| {
            if let Some(stream) = stream {
                logged = log.write(stream, bytes);
            }
        });
        if turn == Turn::Closed {
            if pump.is_unread() {
                self.deadline = Some(Instant::now() + UNREAD);
            }
            pump.close();
        }
        logged.map_err(|error| Error::io("write the log in", self.container.directory(), error))
    }

    fn obey(&mut self) -> Result<()> {
        let accepted = control::accept(&self.listener);
        let Some(call) = accepted.map_err(|error| Error::system("accept a connection", error))? else {
            return Ok(());
        };
        let result = match call.request {
            Request::Signal(signal) => self.signaller.signal(signal),
            Request::Resize(size) => self.terminal.as_ref().map_or(Ok(()), |terminal| set_window_size(terminal, size)),
            Request::Wait => {
                self.waiting.push(call.stream);
                return Ok(());
            }
            Request::Exec(request) => {
                match &self.running {
                    Some(running) => {
                        let what = (&request, call.descriptors);
                        self.entries.extend(Entry::start(running, self.confinement, what, call.stream));
                    }
                    None => control::answer(&call.stream, "failed 125 the container has ended"),
                }
                return Ok(());
            }
        };
        let stream = call.stream;
        match result {
            Ok(()) => control::answer(&stream, "ok"),
            Err(error) => control::answer(&stream, &format!("error {error}")),
        }
        Ok(())
    }

    fn pass_signals(&mut self) -> Result<()> {
        let failed = |errno: nix::Error| Error::system("receive signals", errno);
        while let Some(received) = self.signals.read_signal().map_err(failed)? {
            let number = received.ssi_signo as i32;
            match number {
                libc::SIGCHLD | libc::SIGPIPE | libc::SIGURG | libc::SIGTTIN | libc::SIGTTOU => {}
                libc::SIGWINCH => self.follow_window(),
                libc::SIGTSTP => nix::sys::signal::raise(nix::sys::signal::SIGSTOP).map_err(failed)?,
                _ => self.pass_signal(number)?,
            }
        }
        Ok(())
    }

    /// A program that is process 1 and handles no SIGINT could not be ended by a person otherwise.
    fn pass_signal(&mut self, number: i32) -> Result<()> {
        self.asked_to_end += u32::from(matches!(number, libc::SIGINT | libc::SIGTERM | libc::SIGQUIT));
        match Signal::from_number(number) {
            _ if self.asked_to_end >= PATIENCE => self.signaller.kill(),
            Some(signal) => self.signaller.signal(signal),
            None => Ok(()),
        }
    }

    fn follow_window(&self) {
        if let (Some(terminal), Some(size)) = (&self.terminal, own_window_size()) {
            let _ = set_window_size(terminal, size);
        }
    }

    fn finish(mut self, exit: Exit) -> Result<(Exit, Vec<UnixStream>)> {
        self.entries.drain(..).try_for_each(Entry::finish)?;
        let directory = self.container.directory();
        self.log.finish().map_err(|error| Error::io("write the log in", directory, error))?;
        let mut state = ContainerState::read(directory)?;
        state.status = ContainerStatus::Exited;
        state.pid = None;
        state.exit_code = Some(exit.status.code());
        state.finished = Some(now());
        state.out_of_memory = exit.usage.out_of_memory_kills > 0;
        state.write(directory)?;
        Ok((exit, self.waiting))
    }
}

fn stdio(container: &Container, console: Console) -> Stdio {
    let config = container.config();
    if config.terminal {
        let seen = if console == Console::Detached { None } else { own_window_size() };
        return Stdio::Terminal(seen.unwrap_or(UNSEEN));
    }
    let has_input = config.interactive || console == Console::Foreground(Input::Forwarded);
    let stdin = if has_input { Stream::Pipe } else { Stream::Null };
    Stdio::Streams { stdin, stdout: Stream::Pipe, stderr: Stream::Pipe }
}

/// The pumps for a program's streams, and its terminal, if it has one.
fn pumps(running: &mut Running, console: Console) -> io::Result<(Vec<Pump>, Option<OwnedFd>)> {
    let own = |stream: std::os::fd::BorrowedFd<'_>| match console {
        Console::Detached => Ok(None),
        Console::Foreground(_) => stream.try_clone_to_owned().map(Some),
    };
    let mut pumps = Vec::new();
    let terminal = running.take_terminal();
    if let Some(terminal) = &terminal {
        pumps.push(Pump::output(terminal.try_clone()?, own(rustix::stdio::stdout())?, LogStream::Stdout));
    }
    if let Some(stdout) = running.take_stdout() {
        pumps.push(Pump::output(stdout, own(rustix::stdio::stdout())?, LogStream::Stdout));
    }
    if let Some(stderr) = running.take_stderr() {
        pumps.push(Pump::output(stderr, own(rustix::stdio::stderr())?, LogStream::Stderr));
    }
    let to = match &terminal {
        Some(terminal) => Some(terminal.try_clone()?),
        None if console == Console::Foreground(Input::Forwarded) => running.take_stdin(),
        // A detached container's standard input stays open and silent.
        None => None,
    };
    if let (Some(to), Console::Foreground(Input::Forwarded)) = (to, console) {
        pumps.push(Pump::input(rustix::stdio::stdin().try_clone_to_owned()?, to));
    }
    Ok((pumps, terminal))
}

/// Tells the parent that the program runs, and lets go of the pipe that it hears it through.
fn announce() -> io::Result<()> {
    rustix::io::write(rustix::stdio::stdout(), &[STARTED])?;
    let null = File::options().read(true).write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdin(&null)?;
    rustix::stdio::dup2_stdout(&null)?;
    rustix::stdio::dup2_stderr(&null)?;
    Ok(())
}
