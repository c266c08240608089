//! Housekeeping of the store after a command.

use dhow_layer_store::{Store, SweepOptions, Swept};

/// Removes from the store what nothing needs any more and no other process uses.
///
/// # Errors
/// The store is damaged or cannot be written.
pub(crate) fn sweep(store: &Store) -> anyhow::Result<Swept> {
    Ok(store.sweep(SweepOptions::default())?)
}
