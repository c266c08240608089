//! Keeps the promises of a pull that left layers in the registry: gets them from where they were seen.

use dhow_layer_store::oci::{Descriptor, Reference};
use dhow_layer_store::{LayerId, Store};
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};

use crate::download::Download;
use crate::error::{Error, Result};
use crate::transfer::{CONCURRENCY, Transfer};
use crate::{blocking, origin};

impl Transfer {
    /// Gets those of `layers` that the store has nothing of, several at once. Nothing is sent if there are none.
    ///
    /// # Errors
    /// No registry that is known to have had a layer can be reached or has it still; the store fails.
    pub async fn fetch_layers(&self, layers: &[LayerId]) -> Result<()> {
        let (store, layers) = (self.store.clone(), layers.to_vec());
        let missing = blocking::run(move || missing_blobs(&store, &layers)).await?;
        let work = missing.into_iter().map(|blobs| self.fetch_first(blobs));
        stream::iter(work).buffer_unordered(CONCURRENCY).try_collect().await
    }

    /// Gets one of the blobs, which all hold the same layer.
    async fn fetch_first(&self, blobs: Vec<Descriptor>) -> Result<()> {
        let mut failure = None;
        for blob in &blobs {
            match self.fetch_blob(blob).await {
                Ok(()) => return Ok(()),
                Err(error) => failure = Some(error),
            }
        }
        failure.map_or(Ok(()), Err)
    }

    /// Gets a blob from a repository in which it was seen.
    pub(crate) async fn fetch_blob(&self, blob: &Descriptor) -> Result<()> {
        let mut failure = Error::Store(dhow_layer_store::Error::BlobMissing(blob.digest));
        let (store, digest) = (self.store.clone(), blob.digest);
        for place in blocking::run(move || origin::of(&store, &digest)).await? {
            match self.fetch_from(blob, &place).await {
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

/// For each layer without content the blobs that are known to hold it. Blocks.
fn missing_blobs(store: &Store, layers: &[LayerId]) -> Result<Vec<Vec<Descriptor>>> {
    let mut missing = Vec::new();
    for id in layers {
        let layer = store.layer(id)?;
        if layer.has_content()? {
            continue;
        }
        let blobs = layer.known_blobs()?;
        if blobs.is_empty() {
            return Err(dhow_layer_store::Error::LayerMissing(id.to_string()).into());
        }
        if !missing.contains(&blobs) {
            missing.push(blobs);
        }
    }
    Ok(missing)
}
