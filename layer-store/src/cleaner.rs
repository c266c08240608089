//! Removes directories of a staging area in the background, in a thread that starts with the first.
//!
//! What it cannot remove goes with the area, or is a leftover for the next open.

use std::path::PathBuf;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use crate::staging::remove_tree;

/// The thread and the way to it.
#[derive(Debug, Default)]
pub(crate) struct Cleaner(Mutex<Option<Worker>>);

#[derive(Debug)]
struct Worker {
    queue: Sender<PathBuf>,
    thread: JoinHandle<()>,
}

impl Cleaner {
    /// Removes `path` soon, or at once where there can be no thread.
    pub(crate) fn remove(&self, path: PathBuf) {
        let mut worker = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if worker.is_none() {
            *worker = Worker::start();
        }
        let left = match worker.as_ref() {
            Some(worker) => worker.queue.send(path).err().map(|unsent| unsent.0),
            None => Some(path),
        };
        if let Some(path) = left {
            let _ = remove_tree(&path);
        }
    }

    /// Waits until all is removed.
    pub(crate) fn finish(&self) {
        let worker = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Worker { queue, thread }) = worker {
            drop(queue);
            let _ = thread.join();
        }
    }
}

impl Worker {
    fn start() -> Option<Self> {
        let (queue, paths) = channel::<PathBuf>();
        let work = move || paths.iter().for_each(|path| drop(remove_tree(&path)));
        let thread = thread::Builder::new().name("clean".to_owned()).spawn(work).ok()?;
        Some(Self { queue, thread })
    }
}
