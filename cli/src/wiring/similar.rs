//! Images of the store whose names are like one that was typed: a typo would otherwise be looked for in a registry.

use dhow_builder::{SourceError, nearest};
use dhow_layer_store::Store;
use dhow_layer_store::oci::Reference;

/// An image could not be had, but the store has one with a name like its.
#[derive(Debug, thiserror::Error)]
#[error("{source}")]
pub(crate) struct Misspelt {
    source: SourceError,
    /// The other name.
    similar: String,
}

impl Misspelt {
    /// `error` of getting `reference`, with what the store has instead, if there is something.
    pub(super) fn or(error: SourceError, (store, reference): (&Store, &Reference)) -> SourceError {
        match similar(store, reference) {
            Some(similar) => Box::new(Self { source: error, similar }),
            None => error,
        }
    }

    /// The remedy.
    pub(crate) fn hint(&self) -> String {
        format!("did you mean `{}`, which is in the store?", self.similar)
    }
}

/// The name in the store that is most like `reference`, with its tag unless that is `latest`.
pub(super) fn similar(store: &Store, reference: &Reference) -> Option<String> {
    let short = |reference: &Reference| {
        let name = reference.familiar();
        name.strip_suffix(":latest").unwrap_or(&name).to_owned()
    };
    let known: Vec<String> = store.references().ok()?.iter().map(|(known, _)| short(known)).collect();
    let typed = short(reference);
    nearest(&typed, known.iter().map(String::as_str).filter(|name| *name != typed)).map(str::to_owned)
}
