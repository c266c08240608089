//! One blob from a file into a repository: mounted if that can be, else sent in one request, else in parts; resumed
//! where it broke off.

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use dhow_layer_store::oci::Descriptor;

use crate::auth::Access;
use crate::body::{Body, FileRange};
use crate::error::{Error, Result};
use crate::event::{Event, Events, Outcome};
use crate::repository::Repository;
use crate::retry::Attempts;
use crate::upload::{Mount, Upload};

/// Parts begin at this size when a whole blob is too large for one request; some registries take no larger ones.
const FIRST_PART: u64 = 4 << 20;
/// No proxy is known to want smaller ones.
const SMALLEST_PART: u64 = 256 << 10;

/// How blobs are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UploadMode {
    /// In one request; in parts only if the registry, or a proxy before it, answers that this is too large.
    #[default]
    Whole,
    /// In parts of at most so many bytes.
    Parts(u64),
}

/// Where a blob can come from.
pub(crate) struct BlobSource {
    /// A file of exactly its size, or why there is none: then it can only be mounted.
    pub(crate) file: dhow_layer_store::Result<Arc<File>>,
    /// Repositories of the same registry that may have it.
    pub(crate) mount_from: Vec<String>,
}

/// The bytes to send.
pub(crate) struct Content {
    pub(crate) blob: Descriptor,
    /// A file of exactly its size.
    pub(crate) file: Arc<File>,
}

/// Where to and how.
pub(crate) struct Sender<'a> {
    pub(crate) repository: &'a Repository,
    pub(crate) events: &'a Events,
    pub(crate) mode: UploadMode,
}

impl Sender<'_> {
    /// Sends the blob in the session `upload`, or in another if that breaks.
    pub(crate) async fn run(&self, source: Content, upload: Upload) -> Result<Outcome> {
        (self.events)(Event::BlobStarted { digest: source.blob.digest, size: source.blob.size });
        self.send(&source, upload).await
    }

    /// Whether the repository has the blob already.
    pub(crate) async fn is_there(&self, blob: &Descriptor) -> Result<bool> {
        Ok(self.repository.blob_head_with(&blob.digest, Access::Push).await? == Some(blob.size))
    }

    /// Has the registry take the blob over from one of its own repositories; else begins to send it.
    pub(crate) async fn mount(&self, blob: &Descriptor, mount_from: &[String]) -> Result<Mount> {
        for from in mount_from {
            match self.repository.upload_mount(&blob.digest, from).await {
                Ok(Mount::Mounted) => return Ok(Mount::Mounted),
                Ok(Mount::Refused(upload)) => return Ok(Mount::Refused(upload)),
                // We may have no right to read there: a hint that came to nothing.
                Err(error) if matches!(error, Error::Token { .. }) || error.status().is_some() => (),
                Err(error) => return Err(error),
            }
        }
        self.repository.upload_start().await.map(Mount::Refused)
    }

    async fn send(&self, source: &Content, mut upload: Upload) -> Result<Outcome> {
        let mut attempts = Attempts::new(self.repository.client.transport().options().retry);
        let mut part = match self.mode {
            UploadMode::Whole => None,
            UploadMode::Parts(size) => Some(size.max(1)),
        };
        loop {
            let before = upload.offset();
            let error = match self.send_from(source, &mut upload, part).await {
                Ok(()) => return Ok(Outcome::Transferred),
                Err(error) => error,
            };
            if upload.offset() > before {
                attempts.progressed();
            }
            (self.events)(Event::BlobRetry { digest: source.blob.digest, reason: error.to_string() });
            match recovery(&error, part) {
                Recovery::Smaller(size) => {
                    part = Some(size);
                    upload = self.repository.upload_start().await?;
                }
                Recovery::Anew => {
                    attempts.wait_before_another_way(error).await?;
                    upload = self.repository.upload_start().await?;
                }
                Recovery::Continue => {
                    attempts.wait_after(error).await?;
                    // The blob may be complete, with only the answer lost.
                    if self.is_there(&source.blob).await? {
                        return Ok(Outcome::Transferred);
                    }
                    upload = match self.repository.upload_status(&upload).await {
                        Ok(upload) if upload.offset() <= source.blob.size => upload,
                        Ok(_) | Err(Error::Status(_)) => self.repository.upload_start().await?,
                        Err(error) => return Err(error),
                    };
                }
                Recovery::GiveUp => return Err(error),
            }
        }
    }

    /// Sends what the registry does not have yet, and ends the session.
    async fn send_from(&self, source: &Content, upload: &mut Upload, part: Option<u64>) -> Result<()> {
        let (digest, size) = (&source.blob.digest, source.blob.size);
        if upload.offset() == 0 && part.is_none() {
            return self.repository.upload_put_body(upload, digest, self.range(source, 0, size)).await;
        }
        let part = part.unwrap_or(u64::MAX).max(upload.shortest_chunk());
        while upload.offset() < size {
            let start = upload.offset();
            let body = self.range(source, start, part.min(size - start));
            self.repository.upload_patch_body(upload, body).await?;
            if upload.offset() <= start || upload.offset() > size {
                let reason = format!("{} of {size} bytes have arrived after a part from {start}", upload.offset());
                return Err(Error::Protocol { request: upload.line(), reason });
            }
        }
        self.repository.upload_put_body(upload, digest, Body::Empty).await
    }

    fn range(&self, source: &Content, start: u64, length: u64) -> Body {
        let (digest, end) = (source.blob.digest, start + length);
        let (events, done) = (Arc::clone(self.events), AtomicU64::new(start));
        let on_bytes = Arc::new(move |count| {
            // A request that is sent again, after a redirect for instance, counts once.
            let done = (done.fetch_add(count, Ordering::Relaxed) + count).min(end);
            events(Event::BlobProgress { digest, done });
        });
        if length == 0 {
            return Body::Empty;
        }
        Body::File(FileRange { file: Arc::clone(&source.file), start, length, on_bytes })
    }
}

/// What to do after a failure.
enum Recovery {
    /// Ask how much has arrived and go on from there.
    Continue,
    /// In a new session, as the old one is of no use.
    Anew,
    /// In a new session and smaller parts.
    Smaller(u64),
    /// Nothing.
    GiveUp,
}

fn recovery(error: &Error, part: Option<u64>) -> Recovery {
    let smaller = match part {
        None => Some(FIRST_PART),
        Some(size) if size / 2 >= SMALLEST_PART => Some(size / 2),
        Some(_) => None,
    };
    match (error, error.status(), smaller) {
        (_, Some(413), Some(size)) => Recovery::Smaller(size),
        // Also how a part that is too large is refused.
        (_, Some(416), Some(size)) if part.is_some() => Recovery::Smaller(size),
        (Error::Status(status), Some(404 | 416), _) if !status.has_code("NAME_UNKNOWN") => Recovery::Anew,
        _ if error.is_transient() => Recovery::Continue,
        _ => Recovery::GiveUp,
    }
}
