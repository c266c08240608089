//! Open uploads: `_uploads/<id>/data` on disk, and the hash of what is in it in memory.
//!
//! After a restart the hash is made anew from the file, so that an upload survives the server.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use dhow_layer_store::oci::Digest;
use sha2::{Digest as _, Sha256};

use super::storage::{Storage, if_there, names};

/// The sessions of a registry. At most one request writes to each.
#[derive(Debug, Clone)]
pub(crate) struct Uploads {
    storage: Storage,
    hashes: Arc<Mutex<HashMap<String, State>>>,
}

#[derive(Debug)]
enum State {
    /// The hash of so many bytes.
    Idle(Sha256, u64),
    /// A request is writing.
    Busy,
}

/// A session that this request alone writes to. Dropped it is open for the next request.
pub(crate) struct Session {
    uploads: Uploads,
    id: String,
    dir: PathBuf,
    file: File,
    hash: Sha256,
    size: u64,
}

/// Why a session cannot be had.
#[derive(Debug)]
pub(crate) enum Unavailable {
    /// There is none with that id.
    Unknown,
    /// Another request writes to it.
    Busy,
    /// The disk failed.
    Io(io::Error),
}

impl From<io::Error> for Unavailable {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl Uploads {
    pub(crate) fn new(storage: Storage) -> Self {
        Self { storage, hashes: Arc::default() }
    }

    /// Opens a new session in a repository and returns its id.
    pub(crate) fn create(&self, repository: &str) -> io::Result<String> {
        let id = random_id()?;
        let dir = self.dir(repository, &id);
        fs::create_dir_all(&dir)?;
        // Distribution removes uploads that are older than a week by this file.
        fs::write(dir.join("startedat"), jiff::Timestamp::now().to_string())?;
        File::create(dir.join("data"))?;
        self.put_back(&id, Sha256::new(), 0);
        Ok(id)
    }

    /// How many bytes a session has; `None` if there is none with that id.
    pub(crate) fn size(&self, repository: &str, id: &str) -> io::Result<Option<u64>> {
        Ok(if_there(fs::metadata(self.dir(repository, id).join("data")))?.map(|data| data.len()))
    }

    /// Takes a session for writing at its end.
    pub(crate) fn take(&self, repository: &str, id: &str) -> Result<Session, Unavailable> {
        let dir = self.dir(repository, id);
        let file = File::options().read(true).append(true).open(dir.join("data"));
        let mut file = if_there(file)?.ok_or(Unavailable::Unknown)?;
        let length = file.metadata()?.len();
        let known = self.lock().insert(id.to_owned(), State::Busy);
        let (hash, size) = match known {
            Some(State::Busy) => return Err(Unavailable::Busy),
            Some(State::Idle(hash, size)) if size == length => (hash, size),
            _ => hash_of(&mut file).inspect_err(|_| {
                self.lock().remove(id);
            })?,
        };
        Ok(Session { uploads: self.clone(), id: id.to_owned(), dir, file, hash, size })
    }

    /// Removes a session. False if there was none.
    pub(crate) fn remove(&self, repository: &str, id: &str) -> io::Result<bool> {
        self.lock().remove(id);
        Ok(if_there(fs::remove_dir_all(self.dir(repository, id)))?.is_some())
    }

    /// Removes the sessions of all repositories that nobody has written to for `age`.
    pub(crate) fn purge(&self, age: Duration) -> io::Result<()> {
        for repository in self.storage.all_directories()? {
            let uploads = self.storage.repository(&repository).join("_uploads");
            for id in names(&uploads)? {
                let data = if_there(fs::metadata(uploads.join(&id).join("data")))?;
                let written = data.and_then(|data| data.modified().ok());
                // A session without data is what a kill left of one that was finished.
                if written.is_none_or(|written| written.elapsed().is_ok_and(|elapsed| elapsed > age)) {
                    self.remove(&repository, &id)?;
                }
            }
        }
        Ok(())
    }

    fn put_back(&self, id: &str, hash: Sha256, size: u64) {
        self.lock().insert(id.to_owned(), State::Idle(hash, size));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, State>> {
        self.hashes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn dir(&self, repository: &str, id: &str) -> PathBuf {
        self.storage.repository(repository).join("_uploads").join(id)
    }
}

impl Session {
    /// How many bytes are here.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Makes the bytes a blob if they have the digest; returns the one that they have instead.
    pub(crate) fn finish(self, expected: &Digest) -> io::Result<Result<(), Digest>> {
        let actual = Digest::from_sha256(self.hash.clone().finalize().into());
        if actual != *expected {
            return Ok(Err(actual));
        }
        self.file.sync_all()?;
        self.uploads.storage.adopt(&self.dir.join("data"), expected)?;
        fs::remove_dir_all(&self.dir)?;
        Ok(Ok(()))
    }
}

impl Write for Session {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let count = self.file.write(buffer)?;
        self.hash.update(&buffer[..count]);
        self.size += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if self.dir.is_dir() {
            self.uploads.put_back(&self.id, self.hash.clone(), self.size);
        } else {
            self.uploads.lock().remove(&self.id);
        }
    }
}

fn hash_of(file: &mut File) -> io::Result<(Sha256, u64)> {
    let (mut hash, mut size, mut buffer) = (Sha256::new(), 0, vec![0; 256 << 10]);
    file.seek(SeekFrom::Start(0))?;
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            return Ok((hash, size));
        }
        hash.update(&buffer[..count]);
        size += count as u64;
    }
}

/// A random id in the form of a UUID of version 4.
pub(crate) fn random_id() -> io::Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]))
}
