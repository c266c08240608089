//! Which blobs an image goes out with: those it came with, or the ones that its layers have.
//!
//! Sending them is the business of the registry client and of `archive/`.

use crate::error::{Error, Result};
use crate::image::Image;
use crate::layer::level_of;
use crate::layer_entry::Layer;
use crate::oci::{Compression, Descriptor, Manifest, MediaType, Raw};
use crate::store::Store;

/// An image in the form in which it leaves the store.
#[derive(Debug, Clone)]
pub(crate) struct Portable {
    /// The manifest as a blob, which the store may not have.
    pub(crate) descriptor: Descriptor,
    pub(crate) manifest: Raw<Manifest>,
}

impl Portable {
    /// The manifest that the image came with, or was pushed with, if the store has all its blobs.
    pub(crate) fn received(store: &Store, image: &Image) -> Result<Option<Self>> {
        for descriptor in &image.manifests {
            if !store.has_blob(&descriptor.digest) {
                continue;
            }
            let source = |source| Error::Malformed { what: "manifest", digest: descriptor.digest, source };
            let manifest: Raw<Manifest> = Raw::parse(store.read_blob(descriptor)?).map_err(source)?;
            if manifest.layers.iter().chain([&manifest.config]).all(|blob| store.has_blob(&blob.digest)) {
                return Ok(Some(Self { descriptor: descriptor.clone(), manifest }));
            }
        }
        Ok(None)
    }

    /// An OCI manifest of the image on `layers`.
    pub(crate) fn made(image: &Image, layers: Vec<Descriptor>) -> Result<Self> {
        let config = Descriptor { media_type: MediaType::OciConfig, ..image.config_descriptor.clone() };
        let manifest = Raw::create(Manifest::oci(config, layers));
        let manifest = manifest.map_err(|source| Error::Encode { what: "a manifest", source })?;
        let descriptor = Descriptor::of(MediaType::OciManifest, manifest.bytes());
        Ok(Self { descriptor, manifest })
    }
}

/// A blob of the layer in the first of these forms that it has; described in OCI's terms, without what others wrote.
/// Blobs of a level that somebody asked for are left to those who ask for it.
pub(crate) fn blob_of(layer: &Layer, forms: &[Compression]) -> Result<Option<Descriptor>> {
    blob_at(layer, forms, None)
}

/// The same among the blobs that were made with `level`.
pub(crate) fn blob_at(layer: &Layer, forms: &[Compression], level: Option<u32>) -> Result<Option<Descriptor>> {
    let blobs = layer.blobs()?;
    let in_form = |form: &Compression| {
        let has_form =
            |blob: &&Descriptor| blob.media_type.layer_compression() == Some(*form) && level_of(blob) == level;
        let blob = blobs.iter().find(has_form)?;
        Some(Descriptor::new(MediaType::oci_layer(*form), blob.digest, blob.size))
    };
    Ok(forms.iter().find_map(in_form))
}
