//! The staging areas in `tmp/`: where everything is written before it is renamed into the store.
//!
//! An area belongs to one open store, which holds its flock. Areas without a holder are leftovers of a crash.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::cleaner::Cleaner;
use crate::error::{Error, Result};
use crate::store::Store;

/// The staging area of one open store, made when it is first needed.
#[derive(Debug)]
pub(crate) struct Staging {
    tmp: PathBuf,
    area: OnceLock<Area>,
    making: Mutex<()>,
    cleaner: Cleaner,
}

#[derive(Debug)]
struct Area {
    path: PathBuf,
    /// Its flock says that the area is in use.
    _lock: File,
}

impl Staging {
    /// Clears leftovers in `tmp`, where the area will be.
    pub(crate) fn new(tmp: PathBuf) -> Result<Self> {
        clear_leftovers(&tmp)?;
        Ok(Self { tmp, area: OnceLock::new(), making: Mutex::default(), cleaner: Cleaner::default() })
    }

    /// Where the area is; it is made if this is the first question.
    pub(crate) fn path(&self) -> Result<&Path> {
        let _making = match self.area.get() {
            Some(area) => return Ok(&area.path),
            None => self.making.lock().unwrap_or_else(PoisonError::into_inner),
        };
        let area = match self.area.get() {
            Some(area) => area,
            None => {
                let area = Area::create(&self.tmp)?;
                self.area.get_or_init(|| area)
            }
        };
        Ok(&area.path)
    }

    pub(crate) fn cleaner(&self) -> &Cleaner {
        &self.cleaner
    }
}

impl Area {
    fn create(tmp: &Path) -> Result<Self> {
        loop {
            let path = new_directory(tmp, &format!("{}-", std::process::id()))?;
            // Whoever clears leftovers may take the area for one before we have its lock.
            let Some(lock) = ignore_missing(File::open(&path)).map_err(Error::io("open", &path))? else { continue };
            lock.lock().map_err(Error::io("lock", &path))?;
            if path.metadata().is_ok_and(|now| lock.metadata().is_ok_and(|ours| ours.ino() == now.ino())) {
                return Ok(Self { path, _lock: lock });
            }
        }
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        self.cleaner.finish();
        if let Some(area) = self.area.get() {
            // What cannot be removed now is a leftover for the next open.
            let _ = remove_tree(&area.path);
        }
    }
}

/// A directory inside the store's file system that is removed when dropped.
#[derive(Debug)]
pub struct StagingDir {
    path: PathBuf,
    /// Keeps the area, and so the lock, for as long as the directory lives.
    store: Store,
}

impl StagingDir {
    pub(crate) fn create(store: Store) -> Result<Self> {
        let path = new_directory(store.staging_area()?, "")?;
        Ok(Self { path, store })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The store that it belongs to.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Removes what is called `name` in it in the background: with a busy disk that takes longer than a build step.
    pub(crate) fn remove_later(&self, name: &str) -> Result<()> {
        let path = self.path.join(name);
        let mut aside = self.path.clone().into_os_string();
        aside.push(format!("-{name}"));
        if ignore_missing(fs::rename(&path, &aside)).map_err(Error::io("remove", &path))?.is_some() {
            self.store.cleaner().remove(aside.into());
        }
        Ok(())
    }

    /// Renames the directory to `target`, which does not exist, and so out of the staging area.
    pub(crate) fn publish(mut self, target: &Path) -> io::Result<()> {
        fs::rename(&self.path, target)?;
        self.path = PathBuf::new();
        Ok(())
    }
}

impl Drop for StagingDir {
    fn drop(&mut self) {
        if !self.path.as_os_str().is_empty() {
            let _ = remove_tree(&self.path);
        }
    }
}

fn new_directory(parent: &Path, prefix: &str) -> Result<PathBuf> {
    tempfile::Builder::new()
        .prefix(prefix)
        .rand_bytes(10)
        .permissions(fs::Permissions::from_mode(0o700))
        .tempdir_in(parent)
        .map(tempfile::TempDir::keep)
        .map_err(Error::io("create a directory in", parent))
}

/// Removes the areas whose processes are gone.
pub(crate) fn clear_leftovers(tmp: &Path) -> Result<()> {
    for entry in fs::read_dir(tmp).map_err(Error::io("read", tmp))? {
        let path = entry.map_err(Error::io("read", tmp))?.path();
        let Some(lock) = ignore_missing(File::open(&path)).map_err(Error::io("open", &path))? else { continue };
        match lock.try_lock() {
            Ok(()) => remove_leftover(&path)?,
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(Error::io("lock", &path)(error)),
        }
    }
    Ok(())
}

fn remove_leftover(path: &Path) -> Result<()> {
    let removed = if path.is_dir() { remove_tree(path) } else { fs::remove_file(path) };
    ignore_missing(removed).map(drop).map_err(Error::io("remove", path))
}

fn ignore_missing<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Removes a directory with all that is in it, also where modes forbid it to an owner who is not root.
pub(crate) fn remove_tree(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            open_up(path)?;
            fs::remove_dir_all(path)
        }
        result => result,
    }
}

fn open_up(directory: &Path) -> io::Result<()> {
    fs::set_permissions(directory, fs::Permissions::from_mode(0o700))?;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            open_up(&entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use crate::options::StoreOptions;
    use crate::store::Store;

    #[test]
    fn leftovers_of_the_dead_go_and_the_living_stay() {
        let dir = tempfile::tempdir().expect("directory");
        let alive = Store::open(dir.path(), StoreOptions::default()).expect("store");
        let staged = alive.staging().expect("staging");
        fs::write(staged.path().join("file"), "x").expect("write");
        let dead = dir.path().join("tmp/1-dead");
        fs::create_dir_all(dead.join("work/work")).expect("leftover");
        fs::set_permissions(dead.join("work/work"), fs::Permissions::from_mode(0o000)).expect("mode");

        let again = Store::open(dir.path(), StoreOptions::default()).expect("store");
        assert!(!dead.exists());
        assert!(staged.path().join("file").exists());
        drop((staged, alive, again));
        assert_eq!(fs::read_dir(dir.path().join("tmp")).expect("tmp").count(), 0);
    }
}
