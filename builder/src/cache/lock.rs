//! One execution for each key among all processes that share a store: `steps/<hex>.lock`, locked by flock.
//!
//! Whoever misses takes the lock, looks again, and executes; others wait and find the record. The lock ends with its
//! process, so that the next in line takes over from one that died. The file is removed by its last holder.

use std::fs::{self, File, TryLockError};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::Duration;

use dhow_layer_store::{CacheKey, Store};

use crate::cancel::CancelToken;
use crate::error::{BuildError, Result};

/// How long to wait before looking at a lock, and at the cancel token, again.
const POLL: Duration = Duration::from_millis(20);

/// The right to execute a step, held until dropped.
#[derive(Debug)]
pub(crate) struct StepLock {
    path: PathBuf,
    _file: File,
}

impl StepLock {
    /// Waits for the lock of `key`; `on_wait` is called once if another process holds it.
    pub(crate) fn acquire(store: &Store, key: &CacheKey, wait: Wait<'_>) -> Result<Self> {
        let path = store.root().join("steps").join(format!("{}.lock", key.0.hex()));
        fs::create_dir_all(store.root().join("steps")).map_err(BuildError::io("create", &path))?;
        let mut is_told = false;
        loop {
            let file = File::options().create(true).truncate(false).write(true).open(&path);
            let file = file.map_err(BuildError::io("open", &path))?;
            match file.try_lock() {
                // Its last holder may have removed the file after we opened it.
                Ok(()) if is_current(&file, &path) => return Ok(Self { path, _file: file }),
                Ok(()) => continue,
                Err(TryLockError::Error(error)) => return Err(BuildError::io("lock", &path)(error)),
                Err(TryLockError::WouldBlock) => {}
            }
            if !is_told {
                (wait.on_wait)();
                is_told = true;
            }
            wait.cancel.check()?;
            std::thread::sleep(POLL);
        }
    }
}

/// What to do while another process holds the lock.
pub(crate) struct Wait<'a> {
    pub(crate) cancel: &'a CancelToken,
    pub(crate) on_wait: &'a dyn Fn(),
}

impl Drop for StepLock {
    fn drop(&mut self) {
        // While the lock is still held, so that nobody locks a file that goes away unseen.
        let _ = fs::remove_file(&self.path);
    }
}

fn is_current(file: &File, path: &std::path::Path) -> bool {
    let ours = file.metadata().map(|metadata| metadata.ino());
    let there = fs::metadata(path).map(|metadata| metadata.ino());
    matches!((ours, there), (Ok(ours), Ok(there)) if ours == there)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use dhow_layer_store::oci::Digest;
    use dhow_layer_store::{CacheKey, Store, StoreOptions};

    use super::{StepLock, Wait};
    use crate::cancel::CancelToken;

    #[test]
    fn one_at_a_time_and_nothing_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), StoreOptions::default()).unwrap();
        let key = CacheKey(Digest::of(b"step"));
        let (inside, cancel) = (AtomicUsize::new(0), CancelToken::new());
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let lock = StepLock::acquire(&store, &key, Wait { cancel: &cancel, on_wait: &|| {} }).unwrap();
                    assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                    std::thread::sleep(std::time::Duration::from_millis(2));
                    inside.fetch_sub(1, Ordering::SeqCst);
                    drop(lock);
                });
            }
        });
        assert_eq!(std::fs::read_dir(dir.path().join("steps")).unwrap().count(), 0);
    }

    #[test]
    fn waiting_is_told_and_can_be_cancelled() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), StoreOptions::default()).unwrap();
        let key = CacheKey(Digest::of(b"step"));
        let cancel = CancelToken::new();
        let _held = StepLock::acquire(&store, &key, Wait { cancel: &cancel, on_wait: &|| unreachable!() }).unwrap();
        let told = || cancel.cancel();
        assert!(StepLock::acquire(&store, &key, Wait { cancel: &cancel, on_wait: &told }).is_err());
    }
}
