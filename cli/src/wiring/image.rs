//! The image of a container: from the store, else from its registry.

use anyhow::Context;
use dhow_layer_store::oci::{Platform, Reference};
use dhow_layer_store::{Image, Store};
use dhow_registry_client::PullOptions;

use super::pull::{fetch_layers, pull};
use crate::app::App;
use crate::args::{CreateOptions, PullPolicyArg};
use crate::output;
use crate::ui::Mode;

/// The image that a container is to be made of, pulled if need be.
///
/// # Errors
/// There is no such image, or the registry's.
pub(crate) fn image_for(app: &App, options: &CreateOptions) -> anyhow::Result<Image> {
    let store = app.store()?;
    let platform = options.platform.as_deref().map(str::parse::<Platform>).transpose()?;
    let known = match options.pull {
        PullPolicyArg::Always => None,
        PullPolicyArg::Missing => known(&store, options.image(), platform.as_ref())?,
        PullPolicyArg::Never => Some(store.image(&store.require(options.image())?.image)?),
    };
    if let Some(image) = known {
        fetch_layers(app, &image, Mode::unless_quiet(options.quiet))?;
        return Ok(image);
    }
    let reference: Reference = options.image().parse()?;
    let mode = Mode::unless_quiet(options.quiet);
    if mode != Mode::Quiet && options.pull == PullPolicyArg::Missing {
        output::say(&format!("Unable to find image '{}' locally", reference.familiar()));
    }
    let pulled = pull(app, &reference, &PullOptions { platform, ..PullOptions::default() }, mode)
        .with_context(|| format!("cannot pull `{}`", reference.familiar()))?;
    Ok(store.image(&pulled.image)?)
}

/// What the store has under that name, if it serves the platform.
fn known(store: &Store, name: &str, platform: Option<&Platform>) -> anyhow::Result<Option<Image>> {
    let Some(found) = store.find_and_lease(name)? else { return Ok(None) };
    match platform {
        Some(wanted) => Ok(store.image_for(&found, wanted)?),
        None => Ok(Some(store.image(&found.image)?)),
    }
}
