//! One execution for each key among all processes that share a store: byte-range locks in the file `steps.lock`.
//!
//! Whoever misses takes the lock of the key's byte, looks again, and executes; others wait and find the record. The lock
//! ends with its process, so that the next in line takes over from one that died.

use std::time::Duration;

use dhow_layer_store::{ByteLocks, CacheKey, Store};

use crate::cancel::CancelToken;
use crate::error::Result;

/// How long to wait before looking at a lock, and at the cancel token, again.
const POLL: Duration = Duration::from_millis(20);

/// The right to execute a step, held until dropped.
#[derive(Debug)]
pub(crate) struct StepLock {
    _locks: ByteLocks,
}

impl StepLock {
    /// Waits for the lock of `key`; `on_wait` is called once if somebody else holds it.
    pub(crate) fn acquire(store: &Store, key: &CacheKey, wait: Wait<'_>) -> Result<Self> {
        let locks = ByteLocks::open(&store.root().join("steps.lock"))?;
        let mut is_told = false;
        while !locks.try_alone(byte_of(key))? {
            if !is_told {
                (wait.on_wait)();
                is_told = true;
            }
            wait.cancel.check()?;
            std::thread::sleep(POLL);
        }
        Ok(Self { _locks: locks })
    }
}

/// The byte that stands for `key`: two steps share one with a chance of 2^-60, and then wait for each other.
fn byte_of(key: &CacheKey) -> u64 {
    let digits = key.0.hex();
    digits.get(..15).and_then(|digits| u64::from_str_radix(digits, 16).ok()).unwrap_or(0)
}

/// What to do while another process holds the lock.
pub(crate) struct Wait<'a> {
    pub(crate) cancel: &'a CancelToken,
    pub(crate) on_wait: &'a dyn Fn(),
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use dhow_layer_store::oci::Digest;
    use dhow_layer_store::{CacheKey, Store, StoreOptions};

    use super::{StepLock, Wait};
    use crate::cancel::CancelToken;

    #[test]
    fn one_at_a_time() {
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
    }

    #[test]
    fn other_steps_do_not_wait() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), StoreOptions::default()).unwrap();
        let cancel = CancelToken::new();
        let acquire = |text: &[u8]| {
            let wait = Wait { cancel: &cancel, on_wait: &|| unreachable!() };
            StepLock::acquire(&store, &CacheKey(Digest::of(text)), wait).unwrap()
        };
        let _held: Vec<_> = (0..100_u8).map(|step| acquire(&[step])).collect();
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
