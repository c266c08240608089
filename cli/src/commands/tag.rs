//! `dhow tag`: gives an image another name.

use dhow_layer_store::oci::{Descriptor, Reference};
use dhow_layer_store::{RefTarget, Store};

use crate::app::App;
use crate::args::TagArgs;
use crate::exit::Exit;
use crate::problem::Problem;

/// Runs the command.
pub(crate) fn run(app: &App, args: &TagArgs) -> anyhow::Result<Exit> {
    let target = new_name(&args.target)?;
    let store = app.store()?;
    let found = store.require(&args.source)?;
    let named = match found.reference {
        Some((_, named)) => RefTarget { manifest: wished(&store, &named)?, ..named },
        None => RefTarget::one(found.image, None),
    };
    store.tag_as(&target, named)?;
    Ok(Exit::Success)
}

/// The manifest or index of a name that its images do not know of, such as one with annotations: it goes with the name.
fn wished(store: &Store, named: &RefTarget) -> anyhow::Result<Option<Descriptor>> {
    let Some(manifest) = &named.manifest else { return Ok(None) };
    let is_whole = match &named.platforms[..] {
        [] => {
            let known = store.image(&named.image)?.manifests;
            !known.iter().any(|known| known.digest == manifest.digest)
                && store.whole_manifest(manifest, &named.image)?.is_some()
        }
        platforms => store.whole_index(manifest, platforms)?.is_some(),
    };
    Ok(named.manifest.clone().filter(|_| is_whole))
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
