//! Downloads of blobs that survive the process: `partial/<hex>`.
//!
//! The file's flock says who is downloading; others wait and then find the blob. Where the bytes come from is not
//! known here.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::blob;
use crate::durable;
use crate::error::{Error, Result};
use crate::leases::Leased;
use crate::oci::{Descriptor, Digest};
use crate::store::Store;

impl Store {
    /// Begins or resumes the download of a blob. Waits while another process is downloading the same one.
    ///
    /// # Errors
    /// The file system refuses.
    pub fn resume_blob(&self, descriptor: &Descriptor) -> Result<BlobIngest> {
        self.leases().take(Leased::blob(&descriptor.digest))?;
        let target = self.blob_path(&descriptor.digest);
        let path = self.path("partial").join(descriptor.digest.hex());
        let file = lock_partial(&path)?;
        let mut ingest =
            BlobIngest { target, path, file, expected: descriptor.clone(), hash: Sha256::new(), offset: 0 };
        if ingest.is_stored() {
            durable::remove(&ingest.path)?;
            ingest.offset = descriptor.size;
        } else {
            ingest.hash_what_is_there()?;
        }
        Ok(ingest)
    }
}

/// Opens and locks the partial file, again if a commit renamed it while we waited for its lock.
fn lock_partial(path: &Path) -> Result<File> {
    loop {
        let opened = File::options().create(true).truncate(false).read(true).write(true).open(path);
        let file = opened.map_err(Error::io("open", path))?;
        file.lock().map_err(Error::io("lock", path))?;
        let ours = file.metadata().map_err(Error::io("read", path))?.ino();
        if path.metadata().is_ok_and(|named| named.ino() == ours) {
            return Ok(file);
        }
    }
}

/// A blob that is being downloaded. Dropped without a commit it keeps what was written, for the next attempt.
#[derive(Debug)]
pub struct BlobIngest {
    target: PathBuf,
    path: PathBuf,
    file: File,
    expected: Descriptor,
    hash: Sha256,
    offset: u64,
}

impl BlobIngest {
    /// How many bytes are here already. The size of the blob if it only needs to be committed.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Whether the blob is in the store: another download was quicker.
    pub fn is_stored(&self) -> bool {
        self.target.is_file()
    }

    /// Forgets what is here, for a source that cannot resume.
    ///
    /// # Errors
    /// The file system refuses.
    pub fn restart(&mut self) -> Result<()> {
        self.file.set_len(0).map_err(Error::io("truncate", &self.path))?;
        self.file.seek(SeekFrom::Start(0)).map_err(Error::io("truncate", &self.path))?;
        self.hash = Sha256::new();
        self.offset = 0;
        Ok(())
    }

    /// Stores the blob if it is the one that the descriptor says. Wrong bytes are thrown away.
    ///
    /// # Errors
    /// Size or digest differ, or the file system refuses.
    pub fn commit(mut self) -> Result<()> {
        if self.is_stored() {
            return durable::remove(&self.path).map(drop);
        }
        if self.offset < self.expected.size {
            return Err(blob::size_mismatch(&self.expected, self.offset));
        }
        let digest = Digest::from_sha256(self.hash.clone().finalize().into());
        if let Err(error) = blob::check(&self.expected, digest, self.offset) {
            self.restart()?;
            return Err(error);
        }
        self.file.sync_all().map_err(Error::io("write", &self.path))?;
        std::fs::rename(&self.path, &self.target).map_err(Error::io("write", &self.target))?;
        durable::sync_parent(&self.target)
    }

    fn hash_what_is_there(&mut self) -> Result<()> {
        if self.file.metadata().map_err(Error::io("read", &self.path))?.len() > self.expected.size {
            return self.restart();
        }
        let mut buffer = vec![0; 256 << 10];
        loop {
            let count = self.file.read(&mut buffer).map_err(Error::io("read", &self.path))?;
            if count == 0 {
                return Ok(());
            }
            self.hash.update(&buffer[..count]);
            self.offset += count as u64;
        }
    }
}

impl Write for BlobIngest {
    /// Appends to what is here; more than the blob's size is an error.
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let after = self.offset + buffer.len() as u64;
        if after > self.expected.size {
            return Err(blob::size_mismatch(&self.expected, after).into());
        }
        let count = self.file.write(buffer)?;
        self.hash.update(&buffer[..count]);
        self.offset += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use crate::error::Error;
    use crate::oci::{Descriptor, MediaType};
    use crate::test_store::TestStore;

    #[test]
    fn a_download_goes_on_where_it_broke_off() {
        let store = TestStore::new();
        let blob = Descriptor::of(MediaType::OciLayer, b"0123456789");
        let mut first = store.resume_blob(&blob).expect("begin");
        first.write_all(b"01234").expect("write");
        assert!(matches!(first.commit(), Err(Error::SizeMismatch { found: 5, .. })));

        let mut second = store.resume_blob(&blob).expect("resume");
        assert_eq!(second.offset(), 5);
        second.write_all(b"56789").expect("write");
        second.commit().expect("commit");
        assert_eq!(store.read_blob(&blob).expect("read"), b"0123456789");

        let third = store.resume_blob(&blob).expect("resume");
        assert_eq!((third.offset(), third.is_stored()), (10, true));
        third.commit().expect("nothing to do");
        assert_eq!(std::fs::read_dir(store.path("partial")).expect("partial").count(), 0);
    }

    #[test]
    fn wrong_bytes_are_thrown_away_and_too_many_refused() {
        let store = TestStore::new();
        let blob = Descriptor::of(MediaType::OciLayer, b"right");
        let mut ingest = store.resume_blob(&blob).expect("begin");
        ingest.write_all(b"wrong").expect("write");
        assert!(matches!(ingest.commit(), Err(Error::DigestMismatch { .. })));
        let mut again = store.resume_blob(&blob).expect("begin");
        assert_eq!(again.offset(), 0);
        assert!(again.write_all(b"right and more").is_err());
        again.restart().expect("restart");
        again.write_all(b"right").expect("write");
        again.commit().expect("commit");
    }

    #[test]
    fn two_downloads_of_one_blob_take_turns() {
        let store = TestStore::new();
        let blob = Descriptor::of(MediaType::OciLayer, b"content");
        let mut first = store.resume_blob(&blob).expect("begin");
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| store.resume_blob(&blob).expect("begin").is_stored());
            std::thread::sleep(std::time::Duration::from_millis(50));
            first.write_all(b"content").expect("write");
            first.commit().expect("commit");
            assert!(waiting.join().expect("no panic"));
        });
        assert_eq!(store.read_blob(&blob).expect("read"), b"content");
    }
}
