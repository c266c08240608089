//! What `--build-context` names: asked for through a trait when a step needs it, and not before.

use dhow_layer_store::oci::Platform;

use crate::context::BuildContext;
use crate::source_image::{ResolvedImage, SourceError};

/// Opens the contexts that [`Options::named_contexts`](crate::plan::Options) lists.
pub trait NamedContexts: Sync {
    /// The image of a context of the kind [`OwnImage`](crate::plan::ContextKind::OwnImage).
    ///
    /// # Errors
    /// It cannot be had for `platform`.
    fn image(&self, name: &str, platform: &Platform) -> Result<ResolvedImage, SourceError>;

    /// The files of a context of the kind [`Files`](crate::plan::ContextKind::Files).
    ///
    /// # Errors
    /// They cannot be had.
    fn files(&self, name: &str) -> Result<BuildContext, SourceError>;
}
