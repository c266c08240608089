//! Where base images come from: asked for through a trait, as this crate knows no registry.

use dhow_layer_store::oci::{Digest, ImageConfig, Platform, Reference};
use dhow_layer_store::{LayerId, Stack};

/// Whether a base image that is here is looked up again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PullPolicy {
    /// Only when it is missing.
    #[default]
    Missing,
    /// Always (`--pull`).
    Always,
    /// Never: a missing image is an error.
    Never,
}

/// An image that steps stand on.
#[derive(Debug, Clone)]
pub struct ResolvedImage {
    /// Digest of its manifest, or of its config where it has none.
    pub digest: Digest,
    /// Its config.
    pub config: ImageConfig,
    /// Its layers. They may still have to be unpacked, or even fetched, when a step needs their files.
    pub stack: Stack,
}

/// The caller's error.
pub type SourceError = Box<dyn std::error::Error + Send + Sync>;

/// Finds base images: in the local store, else in a registry. May be called from any thread.
pub trait ImageSource: Sync {
    /// The image called `reference` for `platform`.
    ///
    /// # Errors
    /// There is none, or it cannot be fetched.
    fn resolve(
        &self,
        reference: &Reference,
        platform: &Platform,
        pull: PullPolicy,
    ) -> Result<ResolvedImage, SourceError>;

    /// Gets those of `layers` that the store has nothing of: the layers of a resolved image need not be there before a
    /// step has to see their files.
    ///
    /// # Errors
    /// One of them cannot be fetched.
    fn fetch(&self, layers: &[LayerId]) -> Result<(), SourceError>;
}
