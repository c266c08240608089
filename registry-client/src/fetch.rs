//! Keeps the promises of a pull that left layers in the registry: gets them from where they were seen.

use dhow_layer_store::oci::{Descriptor, ImageId, Manifest, Raw, Reference};
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};

use crate::download::Download;
use crate::error::{Error, Result};
use crate::pull::has_content;
use crate::transfer::{CONCURRENCY, Transfer};
use crate::{blocking, origin};

impl Transfer {
    /// Gets the layers of an image that are not in the store, several at once. Nothing happens if there are none.
    ///
    /// # Errors
    /// No registry that is known to have had a layer can be reached or has it still; the store fails.
    pub async fn fetch_layers(&self, image: &ImageId) -> Result<()> {
        let (store, id) = (self.store.clone(), *image);
        let missing = blocking::run(move || missing_layers(&store, &id)).await?;
        let work = missing.into_iter().map(|(blob, places)| self.fetch_layer(blob, places));
        stream::iter(work).buffer_unordered(CONCURRENCY).try_collect().await
    }

    async fn fetch_layer(&self, blob: Descriptor, places: Vec<String>) -> Result<()> {
        let mut failure = Error::BlobMissing { digest: blob.digest, repository: "any known place".to_owned() };
        for place in places {
            match self.fetch_from(&blob, &place).await {
                Ok(()) => return Ok(()),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    async fn fetch_from(&self, blob: &Descriptor, place: &str) -> Result<()> {
        let reference: Reference = place.parse().map_err(|_| Error::InvalidRegistry(place.to_owned()))?;
        let repository = self.client.repository(&reference).await?;
        let download = Download { repository: &repository, store: &self.store, events: &self.events };
        download.run(blob).await.map(drop)
    }
}

/// Blobs of layers without content, and the places where each was seen. Blocks.
fn missing_layers(store: &dhow_layer_store::Store, id: &ImageId) -> Result<Vec<(Descriptor, Vec<String>)>> {
    let image = store.image(id)?;
    let mut missing = Vec::new();
    for (index, layer) in image.layers.iter().enumerate() {
        if has_content(&store.layer(layer)?)? {
            continue;
        }
        let blob = image.manifests.iter().find_map(|descriptor| {
            let manifest: Raw<Manifest> = Raw::parse(store.read_blob(descriptor).ok()?).ok()?;
            manifest.layers.get(index).cloned()
        });
        let blob = blob.ok_or_else(|| dhow_layer_store::Error::LayerMissing(layer.to_string()))?;
        let places = origin::of(store, &blob.digest)?;
        missing.push((blob, places));
    }
    missing.dedup_by_key(|(blob, _)| blob.digest);
    Ok(missing)
}
