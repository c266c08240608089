//! `ADD` from the web: a file becomes the only one of a layer, which the copy takes it from.
//!
//! What a URL gave is remembered with its entity tag, and asked for again with it, so that only what changed is sent.
//! With a checksum that the remembered content has, nothing is asked at all.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use dhow_layer_store::oci::{Digest, DigestWriter};
use dhow_layer_store::{CacheRecord, Layer, Stack, Timestamp};
use serde_json::json;

use crate::authorization::{web_authorization, without_secret};
use crate::cache::{KeyBuilder, StepLock, Wait};
use crate::cancel::CancelToken;
use crate::error::{BuildError, Result};
use crate::event::{Event, StepId, StepUsage};
use crate::exec::graph::Outcome;
use crate::exec::step::Step;
use crate::plan::DownloadOp;
use crate::remote_source::{DownloadRequest, Downloaded};

/// The mode of a downloaded file, as in the reference.
const MODE: u32 = 0o600;

/// What was received.
struct Received {
    layer: Layer,
    digest: Digest,
    etag: Option<String>,
}

impl Step<'_> {
    /// The layer with the file that `op` names.
    pub(crate) fn download(&self, op: &DownloadOp) -> Result<Outcome> {
        let (store, url) = (self.executor.env.store, without_secret(&op.url));
        let mut key = KeyBuilder::new("download");
        key.text("url", &url);
        key.text("name", &op.name);
        let key = key.finish();
        let on_wait = || self.tell(Event::Waiting { step: StepId(self.id.0) });
        let _lock = StepLock::acquire(store, &key.key, Wait { cancel: &self.executor.stop, on_wait: &on_wait })?;
        let known = store.record(&key.key)?;
        if let Some(known) =
            known.as_ref().filter(|known| op.checksum.is_some() && op.checksum == field(known, "digest"))
        {
            return Ok(outcome(known));
        }
        let received = match self.receive(op, &url, known.as_ref())? {
            Some(received) => received,
            None => return known.as_ref().map(outcome).ok_or(BuildError::Cancelled),
        };
        let inputs = json!({ "kind": "download", "url": url, "digest": received.digest, "etag": received.etag });
        let layer = received.layer.id().clone();
        let record = CacheRecord::new(Some(layer.clone()), Stack(vec![layer]), inputs);
        let record = record.named(&format!("ADD {url}")).sized(received.layer.disk_size());
        store.put_record(&key.key, &record)?;
        Ok(outcome(&record))
    }

    /// Asks for the file; `None` if it is the known one.
    fn receive(&self, op: &DownloadOp, url: &str, known: Option<&CacheRecord>) -> Result<Option<Received>> {
        let start = std::time::Instant::now();
        // What is known but not what it must be cannot be kept.
        let etag = known.filter(|_| op.checksum.is_none()).and_then(|known| field(known, "etag"));
        let authorization = web_authorization(&self.executor.request.run.secrets, &op.url);
        let request = DownloadRequest { url: &op.url, etag: etag.as_deref(), authorization: authorization.as_deref() };
        let step = StepId(self.id.0);
        let snapshot = self.executor.env.store.prepare(&Stack::default())?;
        let path = Path::new(&op.name);
        let file = snapshot.root().create_file(path, MODE)?;
        let mut writer = DigestWriter::new(Cancellable {
            file,
            cancel: &self.executor.stop,
            on_first: Some(|| self.tell(Event::Started { step })),
        });
        let downloaded = self.executor.env.remote.download(&request, &mut writer);
        self.executor.stop.check()?;
        let (etag, modified) = match downloaded {
            Ok(Downloaded::Unchanged) => return Ok(None),
            Ok(Downloaded::New { etag, modified }) => (etag, modified),
            Err(source) => return Err(BuildError::Remote { url: url.to_owned(), source }),
        };
        let (_, digest, _) = writer.finish();
        if let Some(expected) = op.checksum.as_ref().filter(|expected| **expected != digest.to_string()) {
            let (expected, actual) = (expected.clone(), digest.to_string());
            return Err(BuildError::Checksum { url: url.to_owned(), expected, actual });
        }
        snapshot.root().set_owner(path, 0, 0)?;
        snapshot.root().set_mode(path, MODE)?;
        snapshot.root().set_mtime(path, timestamp(modified))?;
        let layer = snapshot.commit()?;
        self.tell(Event::Finished { step, usage: StepUsage { elapsed: start.elapsed(), ..StepUsage::default() } });
        Ok(Some(Received { layer, digest, etag }))
    }

    pub(crate) fn tell(&self, event: Event) {
        self.executor.env.events.event(event);
    }
}

fn outcome(record: &CacheRecord) -> Outcome {
    Outcome { stack: record.stack.clone(), created: Some(record.created.clone()) }
}

fn field(record: &CacheRecord, name: &str) -> Option<String> {
    record.inputs.get(name)?.as_str().map(str::to_owned)
}

fn timestamp(time: Option<SystemTime>) -> Timestamp {
    let since = time.and_then(|time| time.duration_since(UNIX_EPOCH).ok()).unwrap_or(Duration::ZERO);
    Timestamp { seconds: i64::try_from(since.as_secs()).unwrap_or(0), nanoseconds: 0 }
}

/// A file that cannot be written any more once the build is cancelled.
struct Cancellable<'a, F> {
    file: File,
    cancel: &'a CancelToken,
    /// Told before the first byte.
    on_first: Option<F>,
}

impl<F: FnOnce()> Write for Cancellable<'_, F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.cancel.is_cancelled() {
            return Err(io::Error::other("the build was cancelled"));
        }
        if let Some(on_first) = self.on_first.take() {
            on_first();
        }
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
