//! What makes a step's result usable again: its key, and the right to make it.

mod explain;
mod key;
mod listing;
mod lock;
mod reason;
mod step_key;

pub(crate) use explain::explain;
pub use explain::why;
pub(crate) use key::{KeyBuilder, StepKey};
pub(crate) use listing::Listing;
pub(crate) use lock::{StepLock, Wait};
pub use reason::{Change, MissReason};
pub(crate) use step_key::{RunSurroundings, base_key, copy_key, run_key, scratch_key, workdir_key};
