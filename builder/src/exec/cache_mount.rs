//! Directories of `RUN --mount=type=cache`: `cache-mounts/<hex>-<n>/` in the store, with the files in `data`, the
//! flock of those who use it on `lock`, whose time is that of the last use, and in `size` what the store measured.

use std::fs::{self, File, TryLockError};
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use dhow_layer_store::Store;

use crate::cache::KeyBuilder;
use crate::cancel::CancelToken;
use crate::error::{BuildError, Result};
use crate::plan::{Ownership, Sharing};

/// How long to wait before trying a lock, and looking at the cancel token, again.
const POLL: Duration = Duration::from_millis(50);
const DEFAULT_MODE: u32 = 0o755;

/// A cache directory in use.
#[derive(Debug)]
pub(crate) struct CacheMount {
    /// The directory with the files.
    pub(crate) data: PathBuf,
    lock: File,
}

impl Drop for CacheMount {
    fn drop(&mut self) {
        touch(&self.lock);
    }
}

/// The lock's time says when the directory was last used: by it the store knows what is old, and which sizes it has to
/// measure again. Without it the directory counts as older than it is.
fn touch(lock: &File) {
    let _ = lock.set_modified(SystemTime::now());
}

/// Which cache directory, and how it is used.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CacheRequest<'a> {
    /// Keeps the caches of builds apart.
    pub(crate) namespace: Option<&'a str>,
    pub(crate) id: &'a str,
    pub(crate) sharing: Sharing,
    pub(crate) owner: Ownership,
}

impl CacheMount {
    /// Waits for the right to use the directory, and makes it by `fill` if it is new.
    pub(crate) fn open(
        store: &Store,
        request: CacheRequest<'_>,
        cancel: &CancelToken,
        fill: &mut dyn FnMut(&Path) -> Result<()>,
    ) -> Result<Self> {
        let mut key = KeyBuilder::new("cache mount");
        key.optional("namespace", request.namespace);
        key.text("id", request.id);
        let name = key.finish().key.0.hex();
        loop {
            let (directory, lock) = Self::lock(store, &name, request.sharing, cancel)?;
            let data = directory.join("data");
            if !data.exists() {
                create(&directory, request.owner, fill)?;
            }
            if request.sharing == Sharing::Shared {
                lock.lock_shared().map_err(BuildError::io("lock", &directory))?;
            }
            // While an exclusive lock became a shared one, there was none.
            if is_at(&lock, &directory.join("lock")) {
                touch(&lock);
                return Ok(Self { data, lock });
            }
        }
    }

    fn lock(store: &Store, name: &str, sharing: Sharing, cancel: &CancelToken) -> Result<(PathBuf, File)> {
        let mut number = 0;
        loop {
            let directory = store.root().join("cache-mounts").join(format!("{name}-{number}"));
            fs::create_dir_all(&directory).map_err(BuildError::io("create", &directory))?;
            let path = directory.join("lock");
            let file = match File::options().create(true).truncate(false).write(true).open(&path) {
                // A sweep has just taken the directory away.
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                other => other.map_err(BuildError::io("open", &path))?,
            };
            let is_new = !directory.join("data").exists();
            // Whoever makes the directory is alone with it.
            let tried = if sharing == Sharing::Shared && !is_new { file.try_lock_shared() } else { file.try_lock() };
            match (tried, sharing) {
                (Ok(()), _) if is_at(&file, &path) => return Ok((directory, file)),
                (Ok(()), _) => {}
                (Err(TryLockError::WouldBlock), Sharing::Private) => number += 1,
                (Err(TryLockError::WouldBlock), _) => {
                    cancel.check()?;
                    std::thread::sleep(POLL);
                }
                (Err(TryLockError::Error(error)), _) => return Err(BuildError::io("lock", &path)(error)),
            }
        }
    }
}

/// Whether the file is still the one at `path`: a sweep takes directories away as long as it has their locks.
fn is_at(file: &File, path: &Path) -> bool {
    let (ours, there) = (file.metadata(), path.metadata());
    matches!((ours, there), (Ok(ours), Ok(there)) if ours.ino() == there.ino())
}

fn create(directory: &Path, owner: Ownership, fill: &mut dyn FnMut(&Path) -> Result<()>) -> Result<()> {
    let (new, data) = (directory.join("new"), directory.join("data"));
    let failed = || BuildError::io("create", &data);
    if new.exists() {
        fs::remove_dir_all(&new).map_err(failed())?;
    }
    fs::create_dir(&new).map_err(failed())?;
    fill(&new)?;
    chown(&new, Some(owner.uid.unwrap_or(0)), Some(owner.gid.unwrap_or(0))).map_err(failed())?;
    fs::set_permissions(&new, fs::Permissions::from_mode(owner.mode.unwrap_or(DEFAULT_MODE))).map_err(failed())?;
    fs::rename(&new, &data).map_err(failed())
}
