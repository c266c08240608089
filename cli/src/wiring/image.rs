//! The image of a container: from the store, else from its registry.

use anyhow::Context;
use dhow_layer_store::oci::{Platform, Reference};
use dhow_layer_store::{Found, Image, Store};
use dhow_registry_client::PullOptions;

use super::pull::{fetch_layers, pull};
use super::similar::similar;
use crate::app::App;
use crate::args::{CreateOptions, PullPolicyArg};
use crate::output;
use crate::problem::Problem;
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
        PullPolicyArg::Never => Some(required(&store, options.image(), platform.as_ref())?),
    };
    if let Some(image) = known {
        fetch_layers(app, &image, Mode::unless_quiet(options.quiet))?;
        return Ok(image);
    }
    let reference: Reference = options.image().parse()?;
    let mode = Mode::unless_quiet(options.quiet);
    if mode != Mode::Quiet && options.pull == PullPolicyArg::Missing {
        let similar = similar(&store, &reference).map(|name| format!("; did you mean `{name}`?")).unwrap_or_default();
        output::say(&format!("Unable to find image '{}' locally{similar}", reference.familiar()));
    }
    let pulled = pull(app, &reference, &PullOptions { platform, ..PullOptions::default() }, mode).with_context(
        || match store.find(options.image()) {
            Ok(Some(_)) => {
                format!("cannot pull `{}`, and what the store has is for other platforms", reference.familiar())
            }
            _ => format!("cannot pull `{}`", reference.familiar()),
        },
    )?;
    Ok(store.image(&pulled.image)?)
}

fn required(store: &Store, name: &str, platform: Option<&Platform>) -> anyhow::Result<Image> {
    let found = store.require(name)?;
    match platform {
        None => meant(store, (name, &found)),
        Some(platform) => match store.image_for(&found, platform)? {
            Some(image) => Ok(image),
            None => Err(missing_platform(store, (name, &found), platform)?.into()),
        },
    }
}

/// What a name means where no platform is asked for: of several images that for this machine, which there must be.
fn meant(store: &Store, (name, found): (&str, &Found)) -> anyhow::Result<Image> {
    let image = store.image(&found.image)?;
    let host = Platform::host();
    match found.images().len() > 1 && !image.config.platform().serves(&host) {
        true => Err(missing_platform(store, (name, found), &host)?.into()),
        false => Ok(image),
    }
}

/// That a name stands for no image for `platform`, and for which it does.
///
/// # Errors
/// An image is damaged.
pub(crate) fn missing_platform(
    store: &Store,
    (name, found): (&str, &Found),
    platform: &Platform,
) -> dhow_layer_store::Result<Problem> {
    let images = found.images();
    let platforms = images.iter().map(|image| Ok(format!("`{}`", store.image(image)?.config.platform())));
    let platforms = platforms.collect::<dhow_layer_store::Result<Vec<_>>>()?;
    Ok(Problem::new(format!("the image `{name}` is not for `{platform}`, but for {}", platforms.join(", ")))
        .hint("choose one of them with `--platform`"))
}

/// What the store has under that name, if it serves the platform.
fn known(store: &Store, name: &str, platform: Option<&Platform>) -> anyhow::Result<Option<Image>> {
    let Some(found) = store.find_and_lease(name)? else { return Ok(None) };
    match platform {
        Some(wanted) => Ok(store.image_for(&found, wanted)?),
        None => meant(store, (name, &found)).map(Some),
    }
}
