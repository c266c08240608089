//! What makes a step's result usable again: its key, and the right to make it.

mod key;
mod lock;
mod step_key;

pub(crate) use key::{KeyBuilder, StepKey};
pub(crate) use lock::{StepLock, Wait};
pub(crate) use step_key::{RunSurroundings, base_key, copy_key, run_key, scratch_key, workdir_key};
