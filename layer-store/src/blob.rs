//! Blobs: bytes by their digest, in `blobs/sha256/`.
//!
//! A blob is opened by its descriptor, and checked against it while it is read (image-spec `descriptor.md`). What the
//! bytes mean is not known here. Downloads that can be resumed are in `ingest.rs`.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;

use crate::durable;
use crate::error::{Error, Result};
use crate::leases::Leased;
use crate::oci::{Descriptor, Digest, DigestWriter, MediaType};
use crate::store::Store;

/// Largest document (manifest, index, config) that is read into memory, in bytes.
pub const DOCUMENT_LIMIT: u64 = 16 << 20;

impl Store {
    /// Whether the store has the blob `digest`, which is leased: what is here stays.
    pub fn has_blob(&self, digest: &Digest) -> bool {
        // Where there are no locks, taking any lease fails, and says so.
        self.leases().take(Leased::blob(digest)).is_ok() && self.has_unleased_blob(digest)
    }

    /// Whether the blob is here now.
    pub(crate) fn has_unleased_blob(&self, digest: &Digest) -> bool {
        self.blob_path(digest).is_file()
    }

    pub(crate) fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.path("blobs/sha256").join(digest.hex())
    }

    /// Opens a blob for reading; size and digest are checked before the reader gives the last bytes.
    ///
    /// # Errors
    /// The blob is not here, or has another size.
    pub fn open_blob(&self, descriptor: &Descriptor) -> Result<BlobReader> {
        Ok(BlobReader::new(self.blob_file(descriptor)?, descriptor))
    }

    /// Opens a blob's file, for sending it to somebody who checks it. Only the size is checked.
    ///
    /// # Errors
    /// The blob is not here, or has another size.
    pub fn blob_file(&self, descriptor: &Descriptor) -> Result<File> {
        let path = self.blob_path(&descriptor.digest);
        let file = File::open(&path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Error::BlobMissing(descriptor.digest),
            _ => Error::io("open", &path)(error),
        })?;
        let found = file.metadata().map_err(Error::io("read", &path))?.len();
        if found == descriptor.size { Ok(file) } else { Err(size_mismatch(descriptor, found)) }
    }

    /// Reads a small document as a whole, checked.
    ///
    /// # Errors
    /// The blob is not here, is not what the descriptor says, or has more than [`DOCUMENT_LIMIT`] bytes.
    pub fn read_blob(&self, descriptor: &Descriptor) -> Result<Vec<u8>> {
        if descriptor.size > DOCUMENT_LIMIT {
            let (digest, size) = (descriptor.digest, descriptor.size);
            return Err(Error::DocumentTooLarge { digest, size, limit: DOCUMENT_LIMIT });
        }
        let mut bytes = Vec::new();
        let read = self.open_blob(descriptor)?.read_to_end(&mut bytes);
        read.map_err(Error::io("read", &self.blob_path(&descriptor.digest)))?;
        Ok(bytes)
    }

    /// Stores a small document.
    ///
    /// # Errors
    /// The file system refuses.
    pub fn put_blob(&self, media_type: MediaType, bytes: &[u8]) -> Result<Descriptor> {
        let descriptor = Descriptor::of(media_type, bytes);
        self.leases().take(Leased::blob(&descriptor.digest))?;
        if !self.has_blob(&descriptor.digest) {
            self.write_file(&self.blob_path(&descriptor.digest), bytes)?;
        }
        Ok(descriptor)
    }

    /// Begins a blob whose digest is known at its end only.
    ///
    /// # Errors
    /// The file system refuses.
    pub fn blob_writer(&self) -> Result<BlobWriter> {
        let file = durable::temporary(self.staging_area()?)?;
        Ok(BlobWriter { store: self.clone(), out: DigestWriter::new(file) })
    }
}

pub(crate) fn size_mismatch(descriptor: &Descriptor, found: u64) -> Error {
    Error::SizeMismatch { digest: descriptor.digest, expected: descriptor.size, found }
}

/// Fails unless content of `found` digest and `size` bytes is what `expected` describes.
pub(crate) fn check(expected: &Descriptor, found: Digest, size: u64) -> Result<()> {
    if size != expected.size {
        return Err(size_mismatch(expected, size));
    }
    if found != expected.digest {
        return Err(Error::DigestMismatch { expected: expected.digest, actual: found });
    }
    Ok(())
}

/// Reads bytes and checks them against a descriptor: wrong ones give an error in place of the last bytes.
///
/// The error is an [`io::Error`] that holds an [`Error`] of this crate.
#[derive(Debug)]
pub struct BlobReader<R = File> {
    inner: R,
    expected: Descriptor,
    hash: Sha256,
    read: u64,
}

impl<R: Read> BlobReader<R> {
    /// Checks what `inner` gives against `expected`.
    pub fn new(inner: R, expected: &Descriptor) -> Self {
        Self { inner, expected: expected.clone(), hash: Sha256::new(), read: 0 }
    }

    fn check(&self) -> Result<()> {
        let digest = Digest::from_sha256(self.hash.clone().finalize().into());
        check(&self.expected, digest, self.read)
    }
}

impl<R: Read> Read for BlobReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hash.update(&buffer[..count]);
        self.read += count as u64;
        if self.read > self.expected.size {
            return Err(size_mismatch(&self.expected, self.read).into());
        }
        let is_end = count == 0 && !buffer.is_empty();
        // The last bytes are held back until they are known to be right, for readers that do not wait for the end.
        if is_end || (count > 0 && self.read == self.expected.size) {
            self.check()?;
        }
        Ok(count)
    }
}

/// Writes a blob in the staging area, hashing as it goes. Dropping it discards what was written.
#[derive(Debug)]
pub struct BlobWriter {
    store: Store,
    out: DigestWriter<NamedTempFile>,
}

impl BlobWriter {
    /// Stores the blob if it is the one that `expected` describes.
    ///
    /// # Errors
    /// Size or digest differ, or the file system refuses; nothing is stored then.
    pub fn commit_expecting(self, expected: &Descriptor) -> Result<()> {
        let (file, digest, size) = self.out.finish();
        check(expected, digest, size)?;
        publish(&self.store, file, &digest)
    }

    /// Stores the blob, whatever it is.
    ///
    /// # Errors
    /// The file system refuses; nothing is stored then.
    pub fn commit(self, media_type: MediaType) -> Result<Descriptor> {
        let (file, digest, size) = self.out.finish();
        publish(&self.store, file, &digest)?;
        Ok(Descriptor::new(media_type, digest, size))
    }
}

/// Puts a complete and checked file in the place of the blob `digest`.
pub(crate) fn publish(store: &Store, file: NamedTempFile, digest: &Digest) -> Result<()> {
    store.leases().take(Leased::blob(digest))?;
    let path = store.blob_path(digest);
    if path.exists() {
        return Ok(());
    }
    sync(file.as_file(), &path)?;
    durable::publish(file, &path)
}

fn sync(file: &File, path: &Path) -> Result<()> {
    file.sync_all().map_err(Error::io("write", path))
}

impl Write for BlobWriter {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.out.write(buffer)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::{Read, Write};

    use crate::error::Error;
    use crate::oci::{Descriptor, Digest, MediaType};
    use crate::store::Store;
    use crate::test_store::TestStore;

    fn read(store: &Store, descriptor: &Descriptor) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        store.open_blob(descriptor)?.read_to_end(&mut bytes).map_err(Error::stream("read the blob"))?;
        Ok(bytes)
    }

    #[test]
    fn what_was_written_is_read() {
        let store = TestStore::new();
        let descriptor = store.put_blob(MediaType::OciConfig, b"text").expect("put");
        assert_eq!(descriptor, Descriptor::of(MediaType::OciConfig, b"text"));
        assert_eq!(store.read_blob(&descriptor).expect("read"), b"text");

        let mut writer = store.blob_writer().expect("writer");
        writer.write_all(b"long").expect("write");
        let written = writer.commit(MediaType::OciLayer).expect("commit");
        assert_eq!(read(&store, &written).expect("read"), b"long");
        assert!(store.staging_is_empty());
    }

    #[test]
    fn wrong_content_is_never_stored() {
        let store = TestStore::new();
        let right = Descriptor::of(MediaType::OciLayer, b"right");
        for content in [&b"wrong"[..], b"right and more", b"righ", b""] {
            let mut writer = store.blob_writer().expect("writer");
            writer.write_all(content).expect("write");
            let error = writer.commit_expecting(&right).expect_err("wrong content");
            assert!(matches!(error, Error::SizeMismatch { .. } | Error::DigestMismatch { .. }), "{error}");
            assert!(!store.has_blob(&right.digest) && !store.has_blob(&Digest::of(content)));
        }
        assert!(matches!(store.open_blob(&right), Err(Error::BlobMissing(_))));
        assert!(store.staging_is_empty());
    }

    #[test]
    fn damage_on_disk_is_found_while_reading() {
        let store = TestStore::new();
        let blob = store.put_blob(MediaType::OciLayer, b"content").expect("put");
        let path = store.blob_path(&blob.digest);
        fs::write(&path, b"c0ntent").expect("damage");
        assert!(matches!(read(&store, &blob), Err(Error::DigestMismatch { .. })));
        fs::write(&path, b"conten").expect("damage");
        assert!(matches!(read(&store, &blob), Err(Error::SizeMismatch { expected: 7, found: 6, .. })));
    }

    #[test]
    fn documents_have_a_limit() {
        let store = TestStore::new();
        let huge = Descriptor::new(MediaType::OciManifest, Digest::of(b""), super::DOCUMENT_LIMIT + 1);
        assert!(matches!(store.read_blob(&huge), Err(Error::DocumentTooLarge { .. })));
    }
}
