//! The one way to end a build from outside: a flag that every step and every long copy looks at.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{BuildError, Result};

/// Ends a build early. Clones share the flag; a signal handler's thread holds one.
#[derive(Debug, Clone, Default)]
pub struct CancelToken {
    own: Arc<AtomicBool>,
    above: Option<Arc<AtomicBool>>,
}

impl CancelToken {
    /// A token that nobody has cancelled.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks the build to end: running programs are killed, snapshots are dropped, finished steps stay cached.
    pub fn cancel(&self) {
        self.own.store(true, Ordering::Release);
    }

    /// Whether the build shall end.
    pub fn is_cancelled(&self) -> bool {
        let set = |flag: &Arc<AtomicBool>| flag.load(Ordering::Acquire);
        set(&self.own) || self.above.as_ref().is_some_and(set)
    }

    /// A token that is cancelled with this one, and can be cancelled by itself.
    pub(crate) fn below(&self) -> Self {
        Self { own: Arc::default(), above: Some(self.own.clone()) }
    }

    /// [`BuildError::Cancelled`] if the build shall end.
    pub(crate) fn check(&self) -> Result<()> {
        if self.is_cancelled() { Err(BuildError::Cancelled) } else { Ok(()) }
    }
}
