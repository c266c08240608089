//! Ctrl-C and the wish to end: a flag for work that can stop in order, and the exit codes 130 and 143.
//!
//! Commands that read and write streams wrap them, so that the next read or write fails and all that was staged is
//! dropped. Where nothing is watched, the signal ends the process as usual.

use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::Context;
use nix::sys::signal::{SigSet, Signal};

use crate::exit::{Exit, SIGNAL_BASE};
use crate::output;
use crate::ui::Screen;

/// The user ended the command.
#[derive(Debug, thiserror::Error)]
#[error("interrupted")]
pub(crate) struct Interrupted(i32);

impl Interrupted {
    /// By Ctrl-C.
    pub(crate) fn by_keyboard() -> Self {
        Self(Signal::SIGINT as i32)
    }

    /// By SIGTERM.
    pub(crate) fn by_request() -> Self {
        Self(Signal::SIGTERM as i32)
    }

    /// 128 and the signal's number.
    pub(crate) fn exit(&self) -> Exit {
        Exit::Program(SIGNAL_BASE + u8::try_from(self.0).unwrap_or(0))
    }
}

/// Whether a signal came. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Interrupt(Arc<AtomicI32>);

/// The watch of this process.
static WATCH: OnceLock<Watch> = OnceLock::new();

/// What is done on the first signal.
type Act = Box<dyn FnOnce() + Send>;

/// Who watches, and what is done then.
#[derive(Default)]
struct Watch {
    has_begun: AtomicBool,
    interrupt: Interrupt,
    act: Mutex<Option<Act>>,
}

impl Watch {
    fn act(&self) {
        let act = self.act.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(act) = act {
            act();
        }
    }
}

impl Interrupt {
    /// Watches for SIGINT, SIGTERM and SIGHUP from now on, and calls `act` on the first. A second one, or `grace`
    /// after the first, ends the process at once. Call it before other threads exist: they inherit that these
    /// signals are left to the watching thread. Called again, it acts from then on as the new caller says.
    ///
    /// # Errors
    /// The signals cannot be blocked, or no thread can be made.
    pub(crate) fn watch(grace: Duration, act: impl FnOnce() + Send + 'static) -> anyhow::Result<Self> {
        let watch = WATCH.get_or_init(Watch::default);
        *watch.act.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(act));
        let interrupt = watch.interrupt.clone();
        // One thread watches, however many tasks follow each other: of several, any might hear the signal.
        if watch.has_begun.swap(true, Ordering::AcqRel) {
            if interrupt.check().is_err() {
                watch.act();
            }
            return Ok(interrupt);
        }
        let signals: SigSet = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP].into_iter().collect();
        signals.thread_block().context("cannot block signals")?;
        let wait = move || {
            let Ok(first) = signals.wait() else { return };
            watch.interrupt.0.store(first as i32, Ordering::Release);
            watch.act();
            thread::spawn(move || {
                thread::sleep(grace);
                end_now(first);
            });
            if let Ok(second) = signals.wait() {
                end_now(second);
            }
        };
        thread::Builder::new().name("signals".to_owned()).spawn(wait).context("cannot watch for signals")?;
        Ok(interrupt)
    }

    /// That of the running command, if it watches for signals.
    pub(crate) fn current() -> Self {
        WATCH.get().map(|watch| watch.interrupt.clone()).unwrap_or_default()
    }

    /// The error, if a signal came.
    ///
    /// # Errors
    /// A signal came.
    pub(crate) fn check(&self) -> Result<(), Interrupted> {
        match self.0.load(Ordering::Acquire) {
            0 => Ok(()),
            number => Err(Interrupted(number)),
        }
    }

    /// What `result` is unless a signal came: then whatever failed, failed because of it.
    ///
    /// # Errors
    /// The result's, or [`Interrupted`].
    pub(crate) fn or<T, E>(&self, result: Result<T, E>) -> anyhow::Result<T>
    where
        anyhow::Error: From<E>,
    {
        match (result, self.check()) {
            (Ok(value), _) => Ok(value),
            (Err(_), Err(interrupted)) => Err(interrupted.into()),
            (Err(error), Ok(())) => Err(error.into()),
        }
    }

    /// `inner`, until a signal comes.
    pub(crate) fn stream<S>(&self, inner: S) -> Stream<S> {
        Stream { inner, interrupt: self.clone() }
    }
}

#[expect(clippy::exit, reason = "the user asked twice, or cleaning up takes too long")]
fn end_now(signal: Signal) {
    Screen::get().clear();
    output::say("error: interrupted before all was cleaned up");
    std::process::exit(i32::from(SIGNAL_BASE) + signal as i32);
}

/// A stream that fails once a signal came.
#[derive(Debug)]
pub(crate) struct Stream<S> {
    inner: S,
    interrupt: Interrupt,
}

impl<S: Read> Read for Stream<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.interrupt.check().map_err(io::Error::other)?;
        self.inner.read(buffer)
    }
}

impl<S: Write> Write for Stream<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.interrupt.check().map_err(io::Error::other)?;
        self.inner.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::Interrupt;
    use std::io::{Read, Write};
    use std::sync::atomic::Ordering;

    #[test]
    fn streams_fail_once_a_signal_came() {
        let interrupt = Interrupt::default();
        let mut reader = interrupt.stream(&b"abc"[..]);
        let mut byte = [0];
        reader.read_exact(&mut byte).unwrap();
        let mut writer = interrupt.stream(Vec::new());
        writer.write_all(b"x").unwrap();
        interrupt.0.store(2, Ordering::Release);
        assert!(reader.read_exact(&mut byte).is_err());
        assert!(writer.write_all(b"x").is_err());
        let error = interrupt.or(Err::<(), _>(std::io::Error::other("x"))).unwrap_err();
        assert_eq!(error.to_string(), "interrupted");
        assert_eq!(interrupt.check().unwrap_err().exit().code(), 130);
    }
}
