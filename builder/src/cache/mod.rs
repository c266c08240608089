//! What makes a step's result usable again: its key.

mod key;

pub(crate) use key::{KeyBuilder, StepKey};
