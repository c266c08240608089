//! What happens during a transfer, for whoever shows it. Nothing in this crate prints.

use std::sync::Arc;

use dhow_layer_store::oci::Digest;

/// One step of a transfer. Blobs move several at once: events of different ones are mixed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The manifest of the image is known; `blobs` (digest and size in bytes) are what it consists of.
    Resolved {
        /// Digest of the manifest of the platform.
        manifest: Digest,
        /// The config and the layers, each once.
        blobs: Vec<(Digest, u64)>,
    },
    /// A blob begins to move.
    BlobStarted {
        /// Which.
        digest: Digest,
        /// Its size in bytes.
        size: u64,
    },
    /// A blob moves.
    BlobProgress {
        /// Which.
        digest: Digest,
        /// How many of its bytes have arrived in all; goes back when a part has to be sent again.
        done: u64,
    },
    /// A blob's transfer broke off and is tried again.
    BlobRetry {
        /// Which.
        digest: Digest,
        /// Why.
        reason: String,
    },
    /// A blob is where it belongs.
    BlobDone {
        /// Which.
        digest: Digest,
        /// How it got there.
        outcome: Outcome,
    },
}

/// How a blob got to where it belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It was there already.
    Present,
    /// Its bytes were moved.
    Transferred,
    /// The registry took it over from another of its repositories.
    Mounted,
    /// It stays in the registry until it is needed.
    Deferred,
}

/// Takes the events. It is called from several threads and must not block for long.
pub type Events = Arc<dyn Fn(Event) + Send + Sync>;

/// A taker that drops all events.
pub fn no_events() -> Events {
    Arc::new(|_| ())
}
