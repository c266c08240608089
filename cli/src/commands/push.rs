//! `dhow push`: puts images into a registry.

use anyhow::Context;
use dhow_layer_store::Store;
use dhow_layer_store::oci::Reference;
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
    push(app, &references, Mode::unless_quiet(args.quiet))?;
    Ok(Exit::Success)
}

/// Pushes the images with these names, and says their digests.
///
/// # Errors
/// A name stands for no image, or the registry's.
pub(crate) fn push(app: &App, references: &[Reference], mode: Mode) -> anyhow::Result<()> {
    let transfer = wiring::transfer(app, Direction::Push, mode)?;
    let network = Network::start()?;
    for reference in references {
        if mode != Mode::Quiet {
            output::println(&format!("The push refers to repository [{}]", reference.name()))?;
        }
        let line = push_one(&transfer, &network, reference)
            .with_context(|| format!("cannot push `{}`", reference.familiar()))?;
        match mode {
            Mode::Quiet => output::println(&reference.to_string())?,
            _ => output::println(&line)?,
        }
    }
    Ok(())
}

fn push_one(transfer: &Transfer, network: &Network, reference: &Reference) -> anyhow::Result<String> {
    let pushed = network.run(transfer.push(reference, &PushOptions::default()))?;
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
