//! Pushes the images of several platforms under one name: each by its digest, then an index of them
//! (image-spec `image-index.md`).

use bytes::Bytes;
use dhow_layer_store::oci::{Descriptor, ImageId, Reference};
use dhow_layer_store::{ImageIndex, IndexPlan};

use crate::blocking;
use crate::error::Result;
use crate::push::{PushOptions, Pushed};
use crate::transfer::Transfer;

impl Transfer {
    /// Puts the images of `plan`, which are in the store, into the registry of `reference`, and an index of them under that
    /// name; a reference without a tag gets it under its own digest alone. The index becomes a blob of the store. Done by
    /// halves it can be repeated. Of `options` the packing does not count: each image has its own.
    ///
    /// # Errors
    /// As of [`push`](Self::push).
    pub async fn push_images(&self, reference: &Reference, plan: &IndexPlan, options: &PushOptions) -> Result<Pushed> {
        let mut blobs = Vec::new();
        for entry in &plan.entries {
            // Without a tag each goes by the digest of its manifest, whatever digest stands here.
            let nameless = reference.with_digest(*entry.image.digest());
            let options = PushOptions { packing: entry.packing.clone(), ..options.clone() };
            blobs.extend(self.push_image(&nameless, &entry.image, &options).await?.blobs);
        }
        let (store, plan) = (self.store.clone(), plan.clone());
        let index = blocking::run(move || Ok(store.index_with(&plan)?)).await?;
        let manifest = self.put_index(reference, &index).await?;
        Ok(Pushed { manifest, blobs })
    }

    /// The same with an index that there is, whose images are whole.
    ///
    /// # Errors
    /// As of [`push`](Self::push).
    pub async fn push_index(&self, reference: &Reference, index: &ImageIndex, options: &PushOptions) -> Result<Pushed> {
        let mut blobs = Vec::new();
        for (image, manifest) in &index.images {
            let nameless = reference.with_digest(*image.digest());
            blobs.extend(self.push_manifest(&nameless, manifest, options).await?.blobs);
        }
        let manifest = self.put_index(reference, index).await?;
        Ok(Pushed { manifest, blobs })
    }

    async fn put_index(&self, reference: &Reference, index: &ImageIndex) -> Result<Descriptor> {
        let repository = self.client.repository(reference).await?;
        let descriptor = index.descriptor();
        let name = reference.tag().map_or_else(|| descriptor.digest.to_string(), str::to_owned);
        let bytes = Bytes::copy_from_slice(index.document.bytes());
        repository.manifest_put(&name, &descriptor.media_type, bytes).await?;
        Ok(descriptor)
    }

    /// The index that a name has for itself, one with annotations, say.
    pub(crate) async fn known_index(&self, known: Descriptor, images: Vec<ImageId>) -> Result<Option<ImageIndex>> {
        let store = self.store.clone();
        blocking::run(move || Ok(store.whole_index(&known, &images)?)).await
    }
}
