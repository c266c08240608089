//! The one way to end a build from outside: a flag that every step and every long copy looks at.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{BuildError, Result};

/// Ends a build early. Clones share the flag; a signal handler's thread holds one.
#[derive(Debug, Clone, Default)]
pub struct CancelToken(Arc<AtomicBool>);

impl CancelToken {
    /// A token that nobody has cancelled.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks the build to end: running programs are killed, snapshots are dropped, finished steps stay cached.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether the build shall end.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    /// [`BuildError::Cancelled`] if the build shall end.
    pub(crate) fn check(&self) -> Result<()> {
        if self.is_cancelled() { Err(BuildError::Cancelled) } else { Ok(()) }
    }
}
