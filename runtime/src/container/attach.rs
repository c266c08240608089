//! A sandbox for a person: its program has dhow's own streams, or a terminal of its own where dhow is on one.
//!
//! No log, no state on disk: for containers there is the supervisor.

use std::os::fd::{AsFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::bundle::Bundle;
use crate::container::log::LogStream;
use crate::container::pump::{Pump, Turn};
use crate::container::terminal::{RawTerminal, own_window_size};
use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::sandbox::{Running, Sandbox, set_window_size};
use crate::stdio::Stdio;

/// How often the size of the window is looked at.
const GLANCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 250_000_000 };

/// Runs `bundle` until its program has ended.
///
/// # Errors
/// The sandbox cannot be made, or the streams cannot be carried.
pub fn run_attached(bundle: Bundle) -> Result<Exit> {
    let size = if rustix::termios::isatty(rustix::stdio::stdin()) { own_window_size() } else { None };
    let mut running = Sandbox::create(bundle, size.map_or_else(Stdio::inherit, Stdio::Terminal))?.start()?;
    if let Some(terminal) = running.take_terminal() {
        let _raw = RawTerminal::enter();
        carry(&running, terminal).map_err(|error| Error::system("carry a terminal's bytes", error))?;
    }
    running.wait()
}

/// Carries bytes between dhow's terminal and the program's until the program has ended.
fn carry(running: &Running, terminal: OwnedFd) -> std::io::Result<()> {
    let own = |stream: std::os::fd::BorrowedFd<'_>| stream.try_clone_to_owned();
    let mut input = Some(Pump::input(own(rustix::stdio::stdin())?, terminal.try_clone()?));
    let mut output = Pump::output(terminal.try_clone()?, Some(own(rustix::stdio::stdout())?), LogStream::Stdout);
    let mut size = own_window_size();
    loop {
        let now = own_window_size();
        if let Some(now) = now.filter(|_| now != size) {
            let _ = set_window_size(&terminal, now);
            size = Some(now);
        }
        let (out, inp) = ready(running, &output, input.as_ref());
        if out && output.turn(|_| ()) == Turn::Closed {
            return Ok(());
        }
        if inp && input.as_mut().is_some_and(|pump| pump.turn(|_| ()) == Turn::Closed) {
            input = None;
        }
        // What a process in the background still holds open must not keep the person waiting.
        if !out && running.has_ended_within(std::time::Duration::ZERO).unwrap_or(true) {
            return Ok(());
        }
    }
}

/// Whether output and input can be carried; waits for a while.
fn ready(running: &Running, output: &Pump, input: Option<&Pump>) -> (bool, bool) {
    let mut fds = vec![PollFd::from_borrowed_fd(running.as_fd(), PollFlags::IN)];
    for pump in std::iter::once(output).chain(input) {
        let (fd, flags) = pump.interest();
        fds.push(PollFd::from_borrowed_fd(fd, flags));
    }
    let _ = poll(&mut fds, Some(&GLANCE));
    let is_ready = |at: usize| fds.get(at).is_some_and(|fd| !fd.revents().is_empty());
    (is_ready(1), is_ready(2))
}
