//! Runs work that blocks (files, hashing, helper programs) beside the asynchronous part.

use crate::error::{Error, Result};

/// Runs `work` on a thread for blocking work. A panic in it goes on here.
pub(crate) async fn run<T, F>(work: F) -> Result<T>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T> + Send + 'static,
{
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(error) => Err(Error::Settings { reason: format!("the program is ending: {error}") }),
    }
}
