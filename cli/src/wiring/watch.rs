//! Shows the events of a registry transfer.

use std::sync::Arc;

use dhow_registry_client::{Event, Events, Outcome};

use crate::ui::{Step, Transfer};

/// What is said when a blob is where it belongs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Words {
    /// Its bytes were moved.
    pub(crate) moved: &'static str,
    /// It was there.
    pub(crate) present: &'static str,
}

/// Docker's words for a pull.
pub(crate) const PULL: Words = Words { moved: "Pull complete", present: "Already exists" };
/// Docker's words for a push.
pub(crate) const PUSH: Words = Words { moved: "Pushed", present: "Layer already exists" };

/// A taker of events that shows them on `progress`.
pub(crate) fn transfer_events(progress: Arc<Transfer>, words: Words) -> Events {
    Arc::new(move |event| match event {
        Event::BlobStarted { digest, size } => progress.step(&digest.short(), Step::Started(Some(size))),
        Event::BlobProgress { digest, done } => progress.step(&digest.short(), Step::Moved(done)),
        Event::BlobRetry { digest, reason } => {
            progress.step(&digest.short(), Step::Note(format!("Trying again: {reason}")));
        }
        Event::BlobDone { digest, outcome } => {
            let word = match outcome {
                Outcome::Transferred => words.moved,
                Outcome::Present => words.present,
                Outcome::Mounted => "Mounted from another repository",
                Outcome::Deferred => "Left in the registry until it is needed",
            };
            progress.step(&digest.short(), Step::Done(word));
        }
        _ => {}
    })
}
