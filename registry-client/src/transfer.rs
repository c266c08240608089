//! What every pull and push has: a client, a store, and somebody who is told of progress.

use std::fmt;

use dhow_layer_store::Store;

use crate::client::Client;
use crate::event::{Event, Events};

/// How many blobs move at once unless the caller says otherwise.
pub(crate) const CONCURRENCY: usize = 4;

/// Moves images between registries and a store. `pull.rs` and `push.rs` have its methods.
#[derive(Clone)]
pub struct Transfer {
    pub(crate) client: Client,
    pub(crate) store: Store,
    pub(crate) events: Events,
}

impl Transfer {
    /// A transfer between the registries of `client` and `store` that tells `events` how far it is.
    pub fn new(client: Client, store: Store, events: Events) -> Self {
        Self { client, store, events }
    }

    pub(crate) fn tell(&self, event: Event) {
        (self.events)(event);
    }
}

impl fmt::Debug for Transfer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transfer").field("store", &self.store.root()).finish_non_exhaustive()
    }
}
