//! The terminal that dhow itself was started on.

use std::os::fd::{AsFd, OwnedFd};

use rustix::termios::{OptionalActions, Termios, isatty, tcgetattr, tcgetwinsize, tcsetattr};

use crate::stdio::WindowSize;

/// Sends every key as it is typed, to a program that has a terminal of its own; as it was before, when dropped.
#[derive(Debug)]
pub(crate) struct RawTerminal {
    terminal: OwnedFd,
    before: Termios,
}

impl RawTerminal {
    /// `None` when standard input is no terminal.
    pub(crate) fn enter() -> Option<Self> {
        let terminal = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3).ok()?;
        let before = tcgetattr(&terminal).ok()?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(&terminal, OptionalActions::Now, &raw).ok()?;
        Some(Self { terminal, before })
    }
}

impl Drop for RawTerminal {
    fn drop(&mut self) {
        let _ = tcsetattr(&self.terminal, OptionalActions::Now, &self.before);
    }
}

/// The size of the window that dhow was started in.
pub(crate) fn own_window_size() -> Option<WindowSize> {
    let size = |stream: std::os::fd::BorrowedFd<'_>| {
        let size = isatty(stream).then(|| tcgetwinsize(stream).ok()).flatten()?;
        Some(WindowSize { rows: size.ws_row, columns: size.ws_col })
    };
    size(rustix::stdio::stdout().as_fd()).or_else(|| size(rustix::stdio::stdin().as_fd()))
}
