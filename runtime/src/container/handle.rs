//! One container, seen from any dhow process.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::container::config::ContainerConfig;
use crate::container::control::{self, Request};
use crate::container::log::{LogQuery, LogReader};
use crate::container::state::{ContainerState, ContainerStatus, read_json};
use crate::container::supervisor::STARTED;
use crate::error::{Error, Result};
use crate::signal::Signal;
use crate::stdio::WindowSize;

/// How long others may hold the lock just to look whether it is held.
const LOOKING: Duration = Duration::from_millis(300);

/// A container on disk.
#[derive(Debug, Clone)]
pub struct Container {
    directory: PathBuf,
    config: ContainerConfig,
    /// The flock on the file `id` of whoever made the container and may be about to start it.
    _maker: Option<Arc<File>>,
}

impl Container {
    pub(crate) fn open(set: &Path, id: &str) -> Result<Self> {
        let directory = set.join(id);
        let config = read_json(&directory.join("config.json"))?;
        Ok(Self { directory, config, _maker: None })
    }

    /// The same for who made it and has the `lock` of its file `id`.
    pub(crate) fn made(self, lock: File) -> Self {
        Self { _maker: Some(Arc::new(lock)), ..self }
    }

    /// What it was asked to be.
    #[must_use]
    pub fn config(&self) -> &ContainerConfig {
        &self.config
    }

    /// Its directory, in which the caller may keep things of its own.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// What has become of it by now.
    ///
    /// # Errors
    /// [`Error::Io`] when it has been removed, [`Error::Corrupt`].
    pub fn state(&self) -> Result<ContainerState> {
        let state = ContainerState::read(&self.directory)?;
        if state.status != ContainerStatus::Running || self.is_running() {
            return Ok(state);
        }
        // Its end may have come between the two looks.
        ContainerState::read(&self.directory).map(ContainerState::orphaned)
    }

    /// Whether a supervisor holds it.
    #[must_use]
    pub fn is_running(&self) -> bool {
        let lock = File::open(self.directory.join("lock"));
        lock.is_ok_and(|lock| matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock)))
    }

    /// Whether it runs, or the process that made it may be about to start it.
    #[must_use]
    pub fn is_in_use(&self) -> bool {
        let id = File::open(self.directory.join("id"));
        self.is_running() || id.is_ok_and(|id| matches!(id.try_lock_shared(), Err(TryLockError::WouldBlock)))
    }

    /// Takes the lock that a supervisor holds for the container's life; `action` is for the error's text.
    pub(crate) fn lock(&self, action: &'static str) -> Result<File> {
        let path = self.directory.join("lock");
        let lock = File::options().write(true).open(&path).map_err(|error| Error::io("open", &path, error))?;
        let deadline = Instant::now() + LOOKING;
        loop {
            match lock.try_lock() {
                Ok(()) => return Ok(lock),
                Err(TryLockError::Error(error)) => return Err(Error::io("lock", path, error)),
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(2));
                }
                Err(TryLockError::WouldBlock) => return Err(self.wrong_state(action, "running")),
            }
        }
    }

    pub(crate) fn wrong_state(&self, action: &'static str, state: &str) -> Error {
        Error::WrongState { action, container: self.config.name.clone(), state: state.to_owned() }
    }

    fn ask(&self, action: &'static str, request: &Request) -> Result<std::os::unix::net::UnixStream> {
        control::connect(&self.directory, request, &[]).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => self.wrong_state(action, "not running"),
            _ => Error::io(action, self.directory.join("control"), error),
        })
    }

    fn order(&self, action: &'static str, request: Request) -> Result<()> {
        let stream = self.ask(action, &request)?;
        control::read_answer(&stream).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => self.wrong_state(action, "not running"),
            _ => Error::system("talk to the container's supervisor", error),
        })
    }

    /// Sends a signal to its program.
    ///
    /// # Errors
    /// [`Error::WrongState`] when it does not run.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        self.order("signal", Request::Signal(signal))
    }

    /// Tells its terminal the size of the window that shows it.
    ///
    /// # Errors
    /// [`Error::WrongState`] when it does not run.
    pub fn resize(&self, size: WindowSize) -> Result<()> {
        self.order("resize", Request::Resize(size))
    }

    /// Waits for its end and gives its exit code, at once for one that has ended.
    ///
    /// # Errors
    /// [`Error::Io`] when its state cannot be read.
    pub fn wait(&self) -> Result<i32> {
        self.wait_within(None).map(|code| code.unwrap_or(128 + libc::SIGKILL))
    }

    /// As [`Container::wait`], for at most `timeout`; `None` when it still runs then.
    ///
    /// # Errors
    /// [`Error::Io`] when its state cannot be read.
    pub fn wait_for(&self, timeout: Duration) -> Result<Option<i32>> {
        self.wait_within(Some(timeout))
    }

    fn wait_within(&self, timeout: Option<Duration>) -> Result<Option<i32>> {
        let stream = match self.ask("wait for", &Request::Wait) {
            Ok(stream) => stream,
            Err(Error::WrongState { .. }) => return self.state().map(|state| state.exit_code),
            Err(error) => return Err(error),
        };
        match control::read_exit(&stream, timeout) {
            Ok(None) => Ok(None),
            Ok(Some(Some(code))) => Ok(Some(code)),
            Ok(Some(None)) => self.state().map(|state| state.exit_code),
            Err(error) => Err(Error::io("read", self.directory.join("control"), error)),
        }
    }

    /// Sends `signal`, by default its own stop signal, and after `timeout` SIGKILL; returns when it has ended. One that
    /// does not run is no error.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] for a stop signal that is none.
    pub fn stop(&self, signal: Option<Signal>, timeout: Duration) -> Result<()> {
        let signal = signal.map_or_else(|| self.config.stop_signal.parse(), Ok)?;
        for (signal, timeout) in [(signal, timeout), (Signal::KILL, Duration::from_secs(10))] {
            match self.signal(signal) {
                Err(Error::WrongState { .. }) => return Ok(()),
                other => other?,
            }
            if self.wait_for(timeout)?.is_some() {
                return Ok(());
            }
        }
        Err(self.wrong_state("stop", "still running"))
    }

    /// Removes it with everything in its directory.
    ///
    /// # Errors
    /// [`Error::WrongState`] when it runs.
    pub fn remove(&self) -> Result<()> {
        let lock = self.lock("remove")?;
        self.remove_locked(&lock)
    }

    /// The directory goes out of sight in one step; what a crash leaves of it is not taken for a container.
    pub(crate) fn remove_locked(&self, _lock: &File) -> Result<()> {
        let failed = |error| Error::io("remove", &self.directory, error);
        let set = self.directory.parent().unwrap_or(Path::new("."));
        let gone = set.join(format!(".gone-{}", self.config.id));
        fs::rename(&self.directory, &gone).map_err(failed)?;
        let name = set.join("names").join(&self.config.name);
        if fs::read_to_string(&name).is_ok_and(|owner| owner == self.config.id) {
            fs::remove_file(&name).map_err(failed)?;
        }
        match fs::remove_dir_all(&gone) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(error)),
            _ => Ok(()),
        }
    }

    /// Its output so far, and with [`LogQuery::follow`] what comes.
    ///
    /// # Errors
    /// [`Error::Io`] when the log cannot be read.
    pub fn logs(&self, query: LogQuery) -> Result<LogReader> {
        LogReader::open(&self.directory, query)
    }

    /// Starts a supervisor that outlives this process. `command` runs the caller's own program, which is to call
    /// [`become_supervisor`](crate::become_supervisor) first and [`Container::supervise`] with
    /// [`Console::Detached`](crate::Console::Detached) at last; what it prints before that is the reason for a failure.
    ///
    /// # Errors
    /// [`Error::Supervisor`] with what the supervisor printed.
    pub fn start_supervisor(&self, mut command: Command) -> Result<()> {
        let (mut reader, writer) = io::pipe().map_err(|error| Error::system("make a pipe", error))?;
        let errors = writer.try_clone().map_err(|error| Error::system("make a pipe", error))?;
        let spawned = command.stdin(Stdio::null()).stdout(writer).stderr(errors).spawn();
        let mut child = spawned.map_err(|error| Error::system("start a supervisor", error))?;
        // The command keeps the pipe's other end open.
        drop(command);
        let mut said = Vec::new();
        let mut byte = [0_u8];
        while let Ok(1) = reader.read(&mut byte) {
            if byte[0] == STARTED {
                return Ok(());
            }
            said.push(byte[0]);
        }
        let status = child.wait().map_err(|error| Error::system("wait for a supervisor", error))?;
        let said = String::from_utf8_lossy(&said).trim().to_owned();
        let said = said.strip_prefix("error: ").unwrap_or(&said);
        let said = if said.is_empty() { "its supervisor ended without a word" } else { said };
        let exit_code = status.code().filter(|code| *code != 0).unwrap_or(125);
        Err(Error::Supervisor { said: said.to_owned(), exit_code })
    }
}
