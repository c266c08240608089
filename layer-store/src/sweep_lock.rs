//! The lock between whoever writes references and a sweep: the flock of the file `lock`.
//!
//! A sweep decides what is needed by reading all references. It has the lock alone until it has removed the rest, so that
//! no reference appears behind its back. Whoever writes one shares the lock while writing, and has leased what the reference
//! names: so it is either seen by the sweep, or what it names is kept by the lease.
//!
//! It is taken before the locks of directories, never after: a sweep takes these too.

use std::fs::File;

use crate::error::{Error, Result};
use crate::store::Store;

/// While it lives no sweep is under way.
#[derive(Debug)]
pub(crate) struct NoSweep {
    _file: File,
}

/// While it lives nobody writes references but its owner.
#[derive(Debug)]
pub(crate) struct SweepLock {
    _file: File,
}

impl Store {
    /// Waits while a sweep is under way, and keeps the next one waiting.
    pub(crate) fn no_sweep(&self) -> Result<NoSweep> {
        let file = self.lock_file()?;
        file.lock_shared().map_err(Error::io("lock", self.root()))?;
        Ok(NoSweep { _file: file })
    }

    /// Waits for those who write references, and for another sweep.
    pub(crate) fn sweep_lock(&self) -> Result<SweepLock> {
        let file = self.lock_file()?;
        file.lock().map_err(Error::io("lock", self.root()))?;
        Ok(SweepLock { _file: file })
    }

    fn lock_file(&self) -> Result<File> {
        let path = self.path("lock");
        File::options().create(true).truncate(false).write(true).open(&path).map_err(Error::io("open", &path))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::test_store::TestStore;

    #[test]
    fn references_wait_for_a_sweep_but_not_for_each_other() {
        let store = TestStore::new();
        let (one, other) = (store.no_sweep().unwrap(), store.no_sweep().unwrap());
        drop((one, other));
        let sweep = store.sweep_lock().unwrap();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| store.no_sweep().map(drop));
            std::thread::sleep(Duration::from_millis(30));
            assert!(!waiting.is_finished());
            drop(sweep);
            waiting.join().unwrap().unwrap();
        });
    }
}
