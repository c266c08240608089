//! Pushes the images of several platforms under one name: each by its digest, then an index of them
//! (image-spec `image-index.md`).

use bytes::Bytes;
use dhow_layer_store::oci::{Descriptor, ImageId, Index, MediaType, Platform, Reference};

use crate::blocking;
use crate::error::{Error, Result};
use crate::push::{PushOptions, Pushed};
use crate::transfer::Transfer;

impl Transfer {
    /// Puts `images` of the store into the registry of `reference`, and an index of them under that name. The index
    /// becomes a blob of the store. Done by halves it can be repeated.
    ///
    /// # Errors
    /// As of [`push`](Self::push).
    pub async fn push_images(
        &self,
        reference: &Reference,
        images: &[ImageId],
        options: &PushOptions,
    ) -> Result<Pushed> {
        let (mut manifests, mut blobs) = (Vec::new(), Vec::new());
        for image in images {
            // Without a tag each goes by the digest of its manifest, whatever digest stands here.
            let nameless = reference.with_digest(*image.digest());
            let pushed = self.push_image(&nameless, image, options).await?;
            let platform = Some(self.platform_of(image).await?);
            manifests.push(Descriptor { platform, ..pushed.manifest });
            blobs.extend(pushed.blobs);
        }
        let index = serde_json::to_vec(&Index::oci(manifests)).map_err(|source| Error::Document {
            document: "index",
            reference: Box::new(reference.clone()),
            source,
        })?;
        let repository = self.client.repository(reference).await?;
        let (store, bytes) = (self.store.clone(), index.clone());
        let manifest = blocking::run(move || Ok(store.put_blob(MediaType::OciIndex, &bytes)?)).await?;
        let name = reference.tag().map_or_else(|| manifest.digest.to_string(), str::to_owned);
        repository.manifest_put(&name, &manifest.media_type, Bytes::from(index)).await?;
        Ok(Pushed { manifest, blobs })
    }

    async fn platform_of(&self, image: &ImageId) -> Result<Platform> {
        let (store, id) = (self.store.clone(), *image);
        blocking::run(move || Ok(store.image(&id)?.config.platform())).await
    }
}
