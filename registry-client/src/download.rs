//! One blob from a registry into the store: verified, and resumed where it broke off, also by an earlier process.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use dhow_layer_store::oci::{Descriptor, Digest};
use dhow_layer_store::{BlobIngest, Error as StoreError, Store};

use crate::blob_stream::BlobStream;
use crate::blocking;
use crate::error::{Error, Result};
use crate::event::{Event, Events, Outcome};
use crate::repository::Repository;
use crate::retry::Attempts;
use crate::sink::Sink;

/// Where a blob goes from and to.
pub(crate) struct Download<'a> {
    pub(crate) repository: &'a Repository,
    pub(crate) store: &'a Store,
    pub(crate) events: &'a Events,
}

impl Download<'_> {
    /// Gets the blob unless it is in the store.
    pub(crate) async fn run(&self, blob: &Descriptor) -> Result<Outcome> {
        let (digest, size) = (blob.digest, blob.size);
        if self.store.has_blob(&digest) {
            return Ok(self.done(digest, Outcome::Present));
        }
        (self.events)(Event::BlobStarted { digest, size });
        let resumed = self.fill_and_commit(blob).await;
        // Bytes that an earlier process left may be what is wrong: once more without them.
        if let Err((Error::Corrupt { .. }, Origin::Resumed)) = &resumed {
            self.fill_and_commit(blob).await.map_err(|(error, _)| error)?;
        } else {
            resumed.map_err(|(error, _)| error)?;
        }
        Ok(self.done(digest, Outcome::Transferred))
    }

    fn done(&self, digest: Digest, outcome: Outcome) -> Outcome {
        (self.events)(Event::BlobDone { digest, outcome });
        outcome
    }

    async fn fill_and_commit(&self, blob: &Descriptor) -> std::result::Result<(), (Error, Origin)> {
        let (store, wanted) = (self.store.clone(), blob.clone());
        let ingest = blocking::run(move || Ok(store.resume_blob(&wanted)?)).await;
        let ingest = ingest.map_err(|error| (error, Origin::Fresh))?;
        let origin = if ingest.offset() > 0 { Origin::Resumed } else { Origin::Fresh };
        let filled = async {
            let ingest = self.fill(ingest, blob).await?;
            let subject = self.subject(blob);
            blocking::run(move || ingest.commit().map_err(|error| corrupt(subject, error))).await
        };
        filled.await.map_err(|error| (error, origin))
    }

    /// Repeats until the blob has its size or a failure is final.
    async fn fill(&self, mut ingest: BlobIngest, blob: &Descriptor) -> Result<BlobIngest> {
        let mut attempts = Attempts::new(self.repository.client.transport().options().retry);
        let mut furthest = ingest.offset();
        while ingest.offset() < blob.size {
            let (back, result) = self.transfer(ingest, blob).await?;
            ingest = back;
            let progressed = ingest.offset() > furthest;
            furthest = furthest.max(ingest.offset());
            if progressed {
                attempts.progressed();
            }
            let error = match result {
                Err(error) => error,
                Ok(()) if progressed => continue,
                // A registry whose copy is cut off would be asked for the rest forever.
                Ok(()) => return Err(size_mismatch(self.subject(blob), blob.size, furthest)),
            };
            let reason = error.to_string();
            attempts.wait_after(error).await?;
            (self.events)(Event::BlobRetry { digest: blob.digest, reason });
        }
        Ok(ingest)
    }

    /// One request. The outer error is final; the inner one, of an answer that broke off, may be worth another try.
    async fn transfer(&self, ingest: BlobIngest, blob: &Descriptor) -> Result<(BlobIngest, Result<()>)> {
        // A request that gets no answer has been repeated already.
        let mut stream = self.repository.blob_get(&blob.digest, ingest.offset()).await?;
        let ingest = at_offset(ingest, &stream).await?;
        let start = ingest.offset();
        let sink = Sink::new(ingest, self.progress(blob.digest, start));
        let received = loop {
            match stream.chunk().await {
                Ok(Some(chunk)) => {
                    if !sink.send(chunk).await {
                        break Ok(());
                    }
                }
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        let (ingest, written) = sink.finish().await;
        written.map_err(|error| self.unwritable(blob, error))?;
        Ok((ingest, received))
    }

    fn progress(&self, digest: Digest, start: u64) -> impl Fn(u64) + Send + 'static {
        let (events, done) = (Arc::clone(self.events), AtomicU64::new(start));
        move |count| {
            let done = done.fetch_add(count, Ordering::Relaxed) + count;
            events(Event::BlobProgress { digest, done });
        }
    }

    fn subject(&self, blob: &Descriptor) -> String {
        format!("{}/{}@{}", self.repository.registry(), self.repository.name(), blob.digest)
    }

    fn unwritable(&self, blob: &Descriptor, error: std::io::Error) -> Error {
        match error.downcast::<StoreError>() {
            Ok(error) => corrupt(self.subject(blob), error),
            Err(source) => {
                let path = self.store.root().join("partial").join(blob.digest.hex());
                Error::Store(StoreError::Io { action: "write", path, source })
            }
        }
    }
}

/// Whether a download began with bytes that were there before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    Fresh,
    Resumed,
}

/// The ingest positioned where the answer begins: a registry without ranges begins anew.
async fn at_offset(mut ingest: BlobIngest, stream: &BlobStream) -> Result<BlobIngest> {
    if ingest.offset() == stream.start() {
        return Ok(ingest);
    }
    if stream.start() != 0 {
        let reason = format!("the part begins at {} instead of {}", stream.start(), ingest.offset());
        return Err(Error::Protocol { request: stream.request().clone(), reason });
    }
    blocking::run(move || {
        ingest.restart()?;
        Ok(ingest)
    })
    .await
}

fn size_mismatch(subject: String, expected: u64, actual: u64) -> Error {
    Error::Corrupt { subject, expected: format!("{expected} bytes"), actual: format!("{actual}") }
}

/// The store's finding in the words of a transfer.
fn corrupt(subject: String, error: StoreError) -> Error {
    match error {
        StoreError::DigestMismatch { expected, actual } => {
            Error::Corrupt { subject, expected: expected.to_string(), actual: actual.to_string() }
        }
        StoreError::SizeMismatch { expected, found, .. } => size_mismatch(subject, expected, found),
        other => Error::Store(other),
    }
}
