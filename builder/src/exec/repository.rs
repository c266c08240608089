//! `ADD` from git: the files of a commit become a layer, which the copy takes them from.
//!
//! What a reference stands for is asked each time; the files of a commit never change, and are fetched once. With a
//! whole commit, as reference or checksum, nothing is asked once they are here.

use std::time::Instant;

use dhow_layer_store::{CacheRecord, Stack};

use crate::authorization::{git_authorization, without_secret};
use crate::cache::{KeyBuilder, StepKey, StepLock, Wait};
use crate::error::{BuildError, Result};
use crate::event::{Event, StepId, StepUsage};
use crate::exec::graph::Outcome;
use crate::exec::step::Step;
use crate::plan::GitOp;
use crate::remote_source::{Checkout, GitCommit, GitRequest};

/// The digits of a whole commit's name.
const WHOLE: usize = 40;

impl Step<'_> {
    /// The layer with the files that `op` names.
    pub(crate) fn repository(&self, op: &GitOp) -> Result<Outcome> {
        let url = without_secret(&op.source.remote);
        let pinned = op.checksum.as_ref().filter(|checksum| checksum.len() == WHOLE);
        if let Some(record) = pinned.map(|commit| self.known(&key(op, &url, commit))).transpose()?.flatten() {
            return Ok(record);
        }
        let authorization = git_authorization(&self.executor.request.run.secrets, &op.source.remote);
        let request = GitRequest { source: &op.source, authorization: authorization.as_deref() };
        let failed = |source| BuildError::Remote { url: url.clone(), source };
        let commit = self.executor.env.remote.git_commit(&request).map_err(failed)?;
        check(op, &url, &commit)?;
        let key = key(op, &url, &commit.commit);
        let store = self.executor.env.store;
        let on_wait = || self.tell(Event::Waiting { step: StepId(self.id.0) });
        let _lock = StepLock::acquire(store, &key.key, Wait { cancel: &self.executor.stop, on_wait: &on_wait })?;
        if let Some(known) = self.known(&key)? {
            return Ok(known);
        }
        let (start, step) = (Instant::now(), StepId(self.id.0));
        self.tell(Event::Started { step });
        let snapshot = store.prepare(&Stack::default())?;
        let checkout = Checkout { commit: &commit, keep_git_dir: op.keep_git_dir };
        let done = self.executor.env.remote.git_checkout(&request, &checkout, snapshot.root());
        self.executor.stop.check()?;
        done.map_err(failed)?;
        let layer = snapshot.commit()?.id().clone();
        self.tell(Event::Finished { step, usage: StepUsage { elapsed: start.elapsed(), ..StepUsage::default() } });
        let record = CacheRecord::new(Some(layer.clone()), Stack(vec![layer]), key.inputs);
        store.put_record(&key.key, &record)?;
        Ok(Outcome { stack: record.stack, created: Some(record.created) })
    }

    fn known(&self, key: &StepKey) -> Result<Option<Outcome>> {
        let record = self.executor.env.store.record(&key.key)?;
        Ok(record.map(|record| Outcome { stack: record.stack, created: Some(record.created) }))
    }
}

/// What decides which files there are.
fn key(op: &GitOp, url: &str, commit: &str) -> StepKey {
    let mut key = KeyBuilder::new("git");
    key.text("remote", url);
    key.text("commit", commit);
    key.optional("subdirectory", op.source.subdirectory.as_deref());
    key.optional("mtime", op.source.mtime.as_deref());
    key.text("submodules", if op.source.submodules == Some(false) { "no" } else { "yes" });
    key.text("git dir", if op.keep_git_dir { "kept" } else { "left out" });
    if op.keep_git_dir {
        key.optional("reference", op.source.reference.as_deref());
    }
    key.finish()
}

/// The checksum is that of the commit or of its annotated tag, or the beginning of it.
fn check(op: &GitOp, url: &str, commit: &GitCommit) -> Result<()> {
    let Some(expected) = &op.checksum else { return Ok(()) };
    if commit.has_checksum(expected) {
        return Ok(());
    }
    let (expected, actual) = (expected.clone(), commit.commit.clone());
    Err(BuildError::Checksum { url: url.to_owned(), expected, actual })
}
