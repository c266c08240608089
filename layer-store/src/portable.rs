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
        Self::received_if(store, image, |_, blob| Ok(store.has_blob(&blob.digest)))
    }

    /// The same, also if layers of which the store has nothing at all stay where they came from.
    pub(crate) fn promised(store: &Store, image: &Image) -> Result<Option<Self>> {
        Self::received_if(store, image, |layer, blob| Ok(store.has_blob(&blob.digest) || !layer.has_content()?))
    }

    fn received_if(
        store: &Store,
        image: &Image,
        can_go: impl Fn(&Layer, &Descriptor) -> Result<bool>,
    ) -> Result<Option<Self>> {
        let layers = image.layers.iter().map(|id| store.layer(id)).collect::<Result<Vec<_>>>()?;
        for descriptor in &image.manifests {
            if !store.has_blob(&descriptor.digest) {
                continue;
            }
            let source = |source| Error::Malformed { what: "manifest", digest: descriptor.digest, source };
            let manifest: Raw<Manifest> = Raw::parse(store.read_blob(descriptor)?).map_err(source)?;
            let mut pairs = layers.iter().zip(&manifest.layers);
            let all_go = pairs.try_fold(true, |all, (layer, blob)| Ok::<_, Error>(all && can_go(layer, blob)?))?;
            if all_go && layers.len() == manifest.layers.len() && store.has_blob(&manifest.config.digest) {
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
    let mut blobs = layer.blobs()?;
    blobs.retain(|blob| level_of(blob) == level);
    Ok(in_first_form(&blobs, forms))
}

/// The same for a layer of which the store has nothing: a blob that is known to hold it.
pub(crate) fn promised_blob_of(layer: &Layer, forms: &[Compression]) -> Result<Option<Descriptor>> {
    let known = if layer.has_content()? { Vec::new() } else { layer.known_blobs()? };
    Ok(in_first_form(&known, forms))
}

fn in_first_form(blobs: &[Descriptor], forms: &[Compression]) -> Option<Descriptor> {
    let in_form = |form: &Compression| {
        let blob = blobs.iter().find(|blob| blob.media_type.layer_compression() == Some(*form))?;
        Some(Descriptor::new(MediaType::oci_layer(*form), blob.digest, blob.size))
    };
    forms.iter().find_map(in_form)
}
