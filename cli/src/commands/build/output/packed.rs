//! What of an output leaves this machine: the image's manifest, or the index of several.

use dhow_layer_store::archive::Content;
use dhow_layer_store::oci::{Descriptor, ImageId, Manifest, MediaType, Raw};
use dhow_layer_store::{ImageIndex, IndexEntry, IndexPlan};

use super::deliver::Means;
use super::spec::Output;

/// An image or several, packed as an output wants them.
#[derive(Debug)]
pub(super) enum Packed {
    /// One.
    Image(ImageId, Box<Raw<Manifest>>),
    /// One for each platform.
    Index(ImageIndex),
}

impl Packed {
    /// The manifest or index as a blob.
    pub(super) fn descriptor(&self) -> Descriptor {
        match self {
            Self::Index(index) => index.descriptor(),
            Self::Image(_, manifest) => {
                let media_type = manifest.media_type.clone().unwrap_or(MediaType::OciManifest);
                Descriptor::of(media_type, manifest.bytes())
            }
        }
    }

    /// The same for an archive.
    pub(super) fn content(&self) -> Content<'_> {
        match self {
            Self::Image(image, manifest) => Content::Image(*image, manifest),
            Self::Index(index) => Content::Index(index),
        }
    }
}

impl Means<'_> {
    /// What an output sends. Its blobs are in the store, but for those of layers that were left in a registry.
    ///
    /// # Errors
    /// A layer cannot be read or packed.
    pub(super) fn packed(&self, output: &Output) -> anyhow::Result<Packed> {
        let plan = self.plan(output)?;
        match &plan.entries[..] {
            [one] => Ok(Packed::Image(one.image, Box::new(self.store.manifest_with(&one.image, &one.packing)?))),
            _ => Ok(Packed::Index(self.store.index_with(&plan)?)),
        }
    }

    /// How each image is packed for an output.
    ///
    /// # Errors
    /// An image cannot be read.
    pub(super) fn plan(&self, output: &Output) -> anyhow::Result<IndexPlan> {
        let entry = |image: &ImageId| {
            let platform = self.store.image(image)?.config.platform();
            let annotations = output.annotations.of_entry(&platform);
            Ok(IndexEntry { image: *image, packing: output.packing_for(&platform), annotations })
        };
        let entries = self.delivery.images.iter().map(entry).collect::<anyhow::Result<_>>()?;
        Ok(IndexPlan { entries, annotations: output.annotations.index.clone() })
    }
}
