//! Containers as the commands on images see them.

use dhow_layer_store::ContainerUse;

use crate::app::App;

/// Which images have containers.
///
/// # Errors
/// The containers cannot be listed.
pub(crate) fn image_uses(_app: &App) -> anyhow::Result<Vec<ContainerUse>> {
    Ok(Vec::new())
}
