//! `dhow tag`: gives an image another name.

use dhow_layer_store::RefTarget;
use dhow_layer_store::oci::Reference;

use crate::app::App;
use crate::args::TagArgs;
use crate::exit::Exit;
use crate::problem::Problem;

/// Runs the command.
pub(crate) fn run(app: &App, args: &TagArgs) -> anyhow::Result<Exit> {
    let target = new_name(&args.target)?;
    let store = app.store()?;
    let found = store.require(&args.source)?;
    let platforms = found.reference.map(|(_, named)| named.platforms).unwrap_or_default();
    store.tag_as(&target, RefTarget { image: found.image, manifest: None, platforms })?;
    Ok(Exit::Success)
}

/// A name that an image can be given: one without a digest.
///
/// # Errors
/// `text` is no such name.
pub(crate) fn new_name(text: &str) -> anyhow::Result<Reference> {
    let name: Reference = text.parse()?;
    match name.digest() {
        None => Ok(name),
        Some(_) => Err(Problem::new(format!("`{text}` cannot be given as a name: it has a digest"))
            .hint("names that are given have a tag only; digests come from registries")
            .into()),
    }
}
