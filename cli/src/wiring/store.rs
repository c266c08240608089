//! Housekeeping of the store after a command.

use dhow_layer_store::{Error, Store, SweepOptions, Swept};

/// Removes from the store what nothing needs any more, unless other processes are at work there: then the next
/// sweep does it.
///
/// # Errors
/// The store is damaged or cannot be written.
pub(crate) fn sweep(store: &Store) -> anyhow::Result<Swept> {
    match store.sweep(SweepOptions::default()) {
        Ok(swept) => Ok(swept),
        Err(Error::InUse { .. }) => Ok(Swept::default()),
        Err(error) => Err(error.into()),
    }
}
