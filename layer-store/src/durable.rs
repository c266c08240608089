//! Small files that appear whole or not at all, also after a power failure.
//!
//! Knows nothing of what the files say.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tempfile::NamedTempFile;

use crate::error::{Error, Result};

/// How names of files begin that are not complete yet.
pub(crate) const TEMPORARY: &str = ".new-";

/// A file to be written in `directory` and renamed later; removed if dropped before.
pub(crate) fn temporary(directory: &Path) -> Result<NamedTempFile> {
    tempfile::Builder::new()
        .prefix(TEMPORARY)
        .permissions(Permissions::from_mode(0o644))
        .tempfile_in(directory)
        .map_err(Error::io("create a file in", directory))
}

/// Writes `bytes` to a file in `staging`, syncs it and renames it to `path`, over what is there.
pub(crate) fn write(staging: &Path, path: &Path, bytes: &[u8]) -> Result<()> {
    let mut file = temporary(staging)?;
    file.write_all(bytes).map_err(Error::io("write", path))?;
    file.as_file().sync_all().map_err(Error::io("write", path))?;
    publish(file, path)
}

/// As [`write()`], but what a power failure leaves of the file is for the reader to find out.
pub(crate) fn write_unsynced(staging: &Path, path: &Path, bytes: &[u8]) -> Result<()> {
    let mut file = temporary(staging)?;
    file.write_all(bytes).map_err(Error::io("write", path))?;
    file.persist(path).map(drop).map_err(|error| Error::io("write", path)(error.error))
}

/// Renames a complete file to `path`, whose directory is made if another process has just pruned it.
pub(crate) fn publish(file: NamedTempFile, path: &Path) -> Result<()> {
    match file.persist(path) {
        Ok(_) => return sync_parent(path),
        Err(error) if error.error.kind() == io::ErrorKind::NotFound => {
            retry_in_new_directory(error.file, path)?;
        }
        Err(error) => return Err(Error::io("write", path)(error.error)),
    }
    sync_parent(path)
}

fn retry_in_new_directory(mut file: NamedTempFile, path: &Path) -> Result<()> {
    const ATTEMPTS: usize = 16;
    let parent = path.parent().unwrap_or(Path::new("/"));
    for attempt in 1.. {
        fs::create_dir_all(parent).map_err(Error::io("create", parent))?;
        match file.persist(path) {
            Ok(_) => break,
            Err(error) if error.error.kind() == io::ErrorKind::NotFound && attempt < ATTEMPTS => file = error.file,
            Err(error) => return Err(Error::io("write", path)(error.error)),
        }
    }
    Ok(())
}

/// Makes the names in the directory of `path` durable.
pub(crate) fn sync_parent(path: &Path) -> Result<()> {
    let parent = path.parent().unwrap_or(Path::new("/"));
    File::open(parent).and_then(|directory| directory.sync_all()).map_err(Error::io("sync", parent))
}

/// The JSON text of a file of the store.
pub(crate) fn encode<T: Serialize>(what: &'static str, value: &T) -> Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec(value).map_err(|source| Error::Encode { what, source })?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// Reads a JSON file of the store; `None` if there is no such file.
pub(crate) fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    match fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(Error::damaged(path)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(Error::io("read", path)(error)),
    }
}

/// Takes the flock of a directory, waiting for it. It ends when the handle is dropped.
pub(crate) fn lock_directory(path: &Path) -> Result<File> {
    let directory = File::open(path).map_err(Error::io("open", path))?;
    directory.lock().map_err(Error::io("lock", path))?;
    Ok(directory)
}

/// Removes a file; whether it was there.
pub(crate) fn remove(path: &Path) -> Result<bool> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(false),
        Err(error) => Err(Error::io("remove", path)(error)),
    }
}
