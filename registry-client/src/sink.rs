//! Moves bytes from a connection to something that blocks, with little in memory: a channel of a few chunks and a thread.

use std::io::{self, Write};

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Chunks that may wait for the writer. A chunk is what one read of the connection gave, well under a megabyte.
const WAITING: usize = 16;

/// The asynchronous end of a writer on a thread of its own.
pub(crate) struct Sink<W> {
    sender: mpsc::Sender<Bytes>,
    writer: JoinHandle<(W, io::Result<()>)>,
}

impl<W: Write + Send + 'static> Sink<W> {
    /// Starts the thread. `written` is called with the size of each chunk after it was written.
    pub(crate) fn new(mut writer: W, written: impl Fn(u64) + Send + 'static) -> Self {
        let (sender, mut receiver) = mpsc::channel::<Bytes>(WAITING);
        let writer = tokio::task::spawn_blocking(move || {
            while let Some(chunk) = receiver.blocking_recv() {
                if let Err(error) = writer.write_all(&chunk) {
                    return (writer, Err(error));
                }
                written(chunk.len() as u64);
            }
            (writer, Ok(()))
        });
        Self { sender, writer }
    }

    /// Hands a chunk over; waits while too many are waiting. False if the writer has failed: then `finish` tells why.
    pub(crate) async fn send(&self, chunk: Bytes) -> bool {
        self.sender.send(chunk).await.is_ok()
    }

    /// Waits until everything is written. The writer comes back, and what went wrong with it.
    pub(crate) async fn finish(self) -> (W, io::Result<()>) {
        drop(self.sender);
        match self.writer.await {
            Ok(done) => done,
            // The thread is never aborted, so that this is its panic.
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }
}
