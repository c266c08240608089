//! Adapters between the crates: what one of them asks for, made of what another one offers.

use dhow_layer_store::{Error, Store, SweepOptions};

/// Removes from the store what nothing needs any more, unless other processes are at work there: then the next
/// sweep does it.
///
/// # Errors
/// The store is damaged or cannot be written.
pub(crate) fn sweep(store: &Store) -> anyhow::Result<()> {
    match store.sweep(SweepOptions::default()) {
        Ok(_) | Err(Error::InUse { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
