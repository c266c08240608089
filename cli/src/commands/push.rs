//! `dhow push`: puts images into a registry.

use anyhow::Context;
use dhow_layer_store::Store;
use dhow_layer_store::oci::{ImageId, Platform, Reference};
use dhow_registry_client::{PushOptions, Transfer};

use super::pull::has_tag;
use crate::app::App;
use crate::args::PushArgs;
use crate::exit::Exit;
use crate::output;
use crate::problem::Problem;
use crate::ui::Mode;
use crate::wiring::{self, Direction, Network};

/// Runs the command.
pub(crate) fn run(app: &App, args: &PushArgs) -> anyhow::Result<Exit> {
    let reference: Reference = args.image.parse()?;
    if reference.digest().is_some() {
        return Err(
            Problem::usage(format!("`{}` has a digest: only names with a tag can be pushed", args.image)).into()
        );
    }
    let references = match args.all_tags {
        true => all_tags(&app.store()?, &reference, &args.image)?,
        false => vec![reference],
    };
    let image = match &args.platform {
        Some(platform) => Some(for_platform(&app.store()?, &args.image, platform)?),
        None => {
            let store = app.store()?;
            references.iter().try_for_each(|name| store.require(&name.familiar()).map(drop))?;
            None
        }
    };
    push(app, (&references, image), Mode::unless_quiet(args.quiet))?;
    Ok(Exit::Success)
}

/// Of the images that the name stands for the one for a platform.
fn for_platform(store: &Store, name: &str, platform: &str) -> anyhow::Result<ImageId> {
    let (found, platform) = (store.require(name)?, platform.parse::<Platform>()?);
    match store.image_for(&found, &platform)? {
        Some(image) => Ok(image.id),
        None => Err(wiring::missing_platform(store, (name, &found), &platform)?.into()),
    }
}

/// Pushes the images with these names, or `image` under them, and says their digests.
fn push(app: &App, (references, image): (&[Reference], Option<ImageId>), mode: Mode) -> anyhow::Result<()> {
    let transfer = wiring::transfer(app, Direction::Push, mode)?;
    let network = Network::start()?;
    for reference in references {
        if mode != Mode::Quiet {
            output::println(&format!("The push refers to repository [{}]", reference.name()))?;
        }
        let line = push_one(&transfer, &network, (reference, image.as_ref()))
            .with_context(|| format!("cannot push `{}`", reference.familiar()))?;
        match mode {
            Mode::Quiet => output::println(&reference.to_string())?,
            _ => output::println(&line)?,
        }
    }
    Ok(())
}

fn push_one(
    transfer: &Transfer,
    network: &Network,
    (reference, image): (&Reference, Option<&ImageId>),
) -> anyhow::Result<String> {
    let options = PushOptions::default();
    let pushed = match image {
        Some(image) => network.run(transfer.push_image(reference, image, &options))?,
        None => network.run(transfer.push(reference, &options))?,
    };
    let tag = reference.tag().unwrap_or_default();
    Ok(format!("{tag}: digest: {} size: {}", pushed.manifest.digest, pushed.manifest.size))
}

fn all_tags(store: &Store, reference: &Reference, typed: &str) -> anyhow::Result<Vec<Reference>> {
    if has_tag(typed) {
        return Err(Problem::usage(format!("`{typed}` has a tag, which cannot go with `--all-tags`")).into());
    }
    let own = |known: &Reference| known.name() == reference.name() && known.digest().is_none();
    let found: Vec<_> = store.references()?.into_iter().map(|(known, _)| known).filter(own).collect();
    match found.is_empty() {
        true => Err(Problem::new(format!("there is no image with the name `{typed}`")).into()),
        false => Ok(found),
    }
}
