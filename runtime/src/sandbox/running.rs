//! A sandbox whose program runs, and what can be done with it.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::sandbox::process::SandboxProcess;
use crate::sandbox::streams::ParentStreams;
use crate::signal::Signal;
use crate::stdio::WindowSize;
use crate::sys;

/// A sandbox whose program runs.
#[derive(Debug)]
pub struct Running {
    pub(super) process: SandboxProcess,
    pub(super) ends: ParentStreams,
}

impl Running {
    /// The process id of the program in this process's pid namespace.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.process.pid.as_raw_nonzero().get()
    }

    /// The end of the pipe that feeds the program's standard input, once.
    pub fn take_stdin(&mut self) -> Option<OwnedFd> {
        self.ends.stdin.take()
    }

    /// The end of the pipe that carries the program's standard output, once.
    pub fn take_stdout(&mut self) -> Option<OwnedFd> {
        self.ends.stdout.take()
    }

    /// The end of the pipe that carries the program's standard error, once.
    pub fn take_stderr(&mut self) -> Option<OwnedFd> {
        self.ends.stderr.take()
    }

    /// This side of the program's terminal, once. Reading fails with `EIO` when the last process has left it.
    pub fn take_terminal(&mut self) -> Option<OwnedFd> {
        self.ends.terminal.take()
    }

    /// A handle that sends signals to the program, from any thread, also while another waits.
    ///
    /// # Errors
    /// [`Error::System`] when this process has no descriptor left.
    pub fn signaller(&self) -> Result<Signaller> {
        let pidfd = self.process.pidfd.try_clone();
        pidfd.map(Signaller).map_err(|error| Error::system("duplicate a process handle", error))
    }

    /// Sends a signal to the program. A program that is gone is no error. As process 1, the program gets only signals
    /// that it handles, and SIGKILL and SIGSTOP.
    ///
    /// # Errors
    /// [`Error::System`] when the kernel refuses.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        send(&self.process.pidfd, signal)
    }

    /// Ends every process of the sandbox at once.
    ///
    /// # Errors
    /// [`Error::System`] when the kernel refuses.
    pub fn kill(&self) -> Result<()> {
        self.signal(Signal::KILL)
    }

    /// Waits for the program to end, and with it all its processes, and removes what was made for the run.
    ///
    /// # Errors
    /// [`Error::System`] when the process was reaped by someone else, or a mount point could not be removed.
    pub fn wait(mut self) -> Result<Exit> {
        let waited = self.process.reap()?;
        self.process.finish(waited)
    }

    /// Waits for at most `timeout` for the program to end; after that the sandbox can be waited for again.
    ///
    /// # Errors
    /// [`Error::System`] when the kernel refuses.
    pub fn has_ended_within(&self, timeout: Duration) -> Result<bool> {
        let deadline = Instant::now() + timeout;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let left = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: left.subsec_nanos().into() };
            match poll(&mut [PollFd::new(&self.process.pidfd, PollFlags::IN)], Some(&left)) {
                Ok(ready) => return Ok(ready > 0),
                Err(rustix::io::Errno::INTR) => {}
                Err(errno) => return Err(Error::system("wait for a process", errno)),
            }
        }
    }
}

impl AsFd for Running {
    /// The process's pidfd, which is readable once the program has ended.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.process.pidfd.as_fd()
    }
}

/// Sends signals to a sandbox's program.
#[derive(Debug)]
pub struct Signaller(OwnedFd);

impl Signaller {
    /// As [`Running::signal`].
    ///
    /// # Errors
    /// [`Error::System`] when the kernel refuses.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        send(&self.0, signal)
    }

    /// As [`Running::kill`].
    ///
    /// # Errors
    /// [`Error::System`] when the kernel refuses.
    pub fn kill(&self) -> Result<()> {
        self.signal(Signal::KILL)
    }
}

/// Tells the size of the window that shows a terminal, to its program as well.
///
/// # Errors
/// [`Error::System`] when `terminal` is none.
pub fn set_window_size(terminal: impl AsFd, size: WindowSize) -> Result<()> {
    let size = rustix::termios::Winsize { ws_row: size.rows, ws_col: size.columns, ws_xpixel: 0, ws_ypixel: 0 };
    rustix::termios::tcsetwinsize(terminal, size).map_err(|errno| Error::system("set the size of a terminal", errno))
}

fn send(pidfd: &OwnedFd, signal: Signal) -> Result<()> {
    match sys::pidfd_send_signal(pidfd.as_fd(), signal.number()) {
        Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(errno) => Err(Error::system("send a signal", errno)),
    }
}
