//! The threads and the event loop that registries need; started by the commands that speak with one, never before.

use std::future::Future;
use std::time::Duration;

use anyhow::Context;
use dhow_registry_client::Server;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};

use crate::interrupt::Interrupted;

/// Threads that carry connections; hashing and files have threads of their own.
const THREADS: usize = 2;
/// How long work on files may go on after an interrupt, so that temporary files are cleaned up.
const GRACE: Duration = Duration::from_millis(500);

/// An event loop.
pub(crate) struct Network(Option<Runtime>);

impl Network {
    /// Starts the threads.
    ///
    /// # Errors
    /// No thread can be made.
    pub(crate) fn start() -> anyhow::Result<Self> {
        let runtime = Builder::new_multi_thread().worker_threads(THREADS).enable_all().build();
        Ok(Self(Some(runtime.context("cannot start the network's threads")?)))
    }

    /// Does `work` to its end, or until the user interrupts it: then it is dropped and cleans up.
    ///
    /// # Errors
    /// The work's own, or [`Interrupted`].
    pub(crate) fn run<T, E>(&self, work: impl Future<Output = Result<T, E>>) -> anyhow::Result<T>
    where
        anyhow::Error: From<E>,
    {
        let runtime = self.0.as_ref().context("the network's threads have ended")?;
        runtime.block_on(async {
            tokio::select! {
                result = work => result.map_err(anyhow::Error::from),
                interrupted = interrupted() => Err(interrupted),
            }
        })
    }

    /// Serves until the user interrupts it, which is its regular end.
    ///
    /// # Errors
    /// The server's own.
    pub(crate) fn serve(&self, server: Server) -> anyhow::Result<()> {
        let runtime = self.0.as_ref().context("the network's threads have ended")?;
        let end = async { drop(interrupted().await) };
        Ok(runtime.block_on(server.run(end))?)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_timeout(GRACE);
        }
    }
}

/// Waits for Ctrl-C or the wish to end.
async fn interrupted() -> anyhow::Error {
    let signals = signal(SignalKind::interrupt()).and_then(|i| Ok((i, signal(SignalKind::terminate())?)));
    let (mut interrupt, mut terminate) = match signals {
        Ok(signals) => signals,
        Err(error) => return anyhow::Error::new(error).context("cannot listen for signals"),
    };
    tokio::select! {
        _ = interrupt.recv() => Interrupted::by_keyboard().into(),
        _ = terminate.recv() => Interrupted::by_request().into(),
    }
}
