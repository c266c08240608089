//! About how much the build cache takes, so that not every build has to count it: the file `cache-account`.
//!
//! It holds two numbers of eight bytes, little endian: bytes, and when they were counted, in seconds since 1970. Builds add
//! what they wrote and what the directories of cache mounts have grown. What nobody tells (builds that were killed) comes in
//! with the next count, which is due after some minutes. A file of another size is as good as none.
//!
//! Nobody adds during a sweep, which counts and notes: what was added before is in its count, so that the number may be too
//! high but not too low.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::store::Store;
use crate::sweep_lock::NoSweep;

const NAME: &str = "cache-account";

/// So long a count is believed, in seconds.
const BELIEVED: u64 = 600;

/// So long after a count that was over the budget those who only used the cache do not count again, in seconds.
const PATIENCE: u64 = 30;

/// A count and what was added since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Account {
    bytes: u64,
    counted: u64,
}

impl Store {
    /// Adds `bytes`, and the growth of cache mounts, to what the cache takes. Whether it is within `budget` by a count of
    /// the last minutes; if not, [`prune_cache`](Self::prune_cache) has to look.
    pub fn is_cache_within(&self, budget: u64, bytes: u64) -> bool {
        let added = bytes.saturating_add(self.measure_cache_mounts());
        let grown = self.no_sweep().ok().and_then(|no_sweep| self.add_to_cache_size(&no_sweep, added));
        grown.is_some_and(|account| account.bytes <= budget && now().saturating_sub(account.counted) < BELIEVED)
    }

    /// Whether the cache was found to be over `budget` a while ago: what was leased then may go now. Reads one small file.
    pub fn is_cache_left_over(&self, budget: u64) -> bool {
        let account = fs::read(self.path(NAME)).ok().and_then(|bytes| decode(&bytes));
        account.is_some_and(|account| account.bytes > budget && now().saturating_sub(account.counted) >= PATIENCE)
    }

    /// Notes what was counted.
    pub(crate) fn note_cache_size(&self, bytes: u64) {
        let account = Account { bytes, counted: now() };
        // Without an account the next build counts.
        let _ = fs::write(self.path(NAME), encode(account));
    }

    /// Lets the next build count: layers that images needed may be the cache's alone now.
    pub(crate) fn forget_cache_size(&self) {
        let _ = fs::remove_file(self.path(NAME));
    }

    /// Adds `bytes`. No account stays none: the next build counts.
    pub(crate) fn add_to_cache_size(&self, _no_sweep: &NoSweep, bytes: u64) -> Option<Account> {
        let mut file = File::options().read(true).write(true).open(self.path(NAME)).ok()?;
        file.lock().ok()?;
        let mut content = Vec::new();
        file.read_to_end(&mut content).ok()?;
        let before = decode(&content)?;
        let account = Account { bytes: before.bytes.saturating_add(bytes), ..before };
        file.seek(SeekFrom::Start(0)).ok()?;
        file.write_all(&encode(account)).ok()?;
        Some(account)
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

fn encode(account: Account) -> Vec<u8> {
    [account.bytes.to_le_bytes(), account.counted.to_le_bytes()].concat()
}

fn decode(bytes: &[u8]) -> Option<Account> {
    let (first, second) = bytes.split_at_checked(8)?;
    let number = |bytes: &[u8]| bytes.try_into().map(u64::from_le_bytes).ok();
    Some(Account { bytes: number(first)?, counted: number(second)? })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{Account, BELIEVED, NAME, PATIENCE, SystemTime, encode, now};
    use crate::test_store::TestStore;

    #[test]
    fn a_count_is_believed_for_a_while_and_grows() {
        let store = TestStore::new();
        assert!(!store.is_cache_within(100, 0), "nobody has counted");
        store.note_cache_size(90);
        assert!(store.is_cache_within(100, 10));
        assert!(!store.is_cache_within(100, 1));
        store.note_cache_size(90);
        store.forget_cache_size();
        assert!(!store.is_cache_within(100, 0));
        for (bytes, expected) in [
            (encode(Account { bytes: 1, counted: now() - BELIEVED + 60 }), true),
            (encode(Account { bytes: 1, counted: now() - BELIEVED }), false),
            (b"half".to_vec(), false),
            (vec![0; 17], false),
        ] {
            fs::write(store.root().join(NAME), bytes).expect("write");
            assert_eq!(store.is_cache_within(100, 0), expected);
        }
    }

    #[test]
    fn what_was_over_the_budget_is_looked_at_again_after_a_while() {
        let store = TestStore::new();
        assert!(!store.is_cache_left_over(0), "nobody has counted");
        for (bytes, age, expected) in [(101, PATIENCE, true), (100, PATIENCE, false), (101, 0, false)] {
            fs::write(store.root().join(NAME), encode(Account { bytes, counted: now() - age })).expect("write");
            assert_eq!(store.is_cache_left_over(100), expected, "{bytes} {age}");
        }
    }

    #[test]
    fn cache_mounts_count_as_they_grow() {
        let store = TestStore::new();
        store.note_cache_size(0);
        let mount = store.path("cache-mounts/m-0");
        fs::create_dir_all(mount.join("data")).expect("mount");
        for number in 0..3 {
            fs::write(mount.join(format!("data/{number}")), vec![1; 100_000]).expect("file");
            let lock = fs::File::create(mount.join("lock")).expect("lock");
            lock.set_modified(SystemTime::now() + std::time::Duration::from_secs(5)).expect("touch");
            assert_eq!(store.is_cache_within(250_000, 0), number < 2, "{number}");
        }
    }
}
