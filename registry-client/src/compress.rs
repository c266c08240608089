//! The layers of an image that were never compressed: each is sent as soon as it is, while others still are.

use std::collections::BTreeMap;

use dhow_layer_store::oci::{Compression, Digest, ImageId, Manifest, Raw};
use dhow_layer_store::{Image, Layer, Result as StoreResult, Store};
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};

use crate::blocking;
use crate::error::Result;
use crate::event::Outcome;
use crate::push::PushOptions;
use crate::repository::Repository;
use crate::send_blob::Sender;
use crate::transfer::Transfer;

impl Transfer {
    /// Compresses and sends what `Store::manifest_for` would have to compress; returns what was sent.
    pub(crate) async fn send_while_compressing(
        &self,
        repository: &Repository,
        image: &ImageId,
        options: &PushOptions,
    ) -> Result<BTreeMap<Digest, Outcome>> {
        let (store, id, compression) = (self.store.clone(), *image, options.compression);
        let layers = blocking::run(move || Ok(never_compressed(&store, &id, compression)?)).await?;
        let sender = &Sender { repository, events: &self.events, mode: options.mode };
        let work = layers.into_iter().map(|layer| async move {
            let blob = blocking::run(move || Ok(layer.compressed(compression)?)).await?;
            self.send_blob(sender, &blob).await
        });
        stream::iter(work).buffer_unordered(options.concurrency.max(1)).try_collect().await
    }
}

/// The layers, each once, that have no blob in a form that a push may use. Blocks.
fn never_compressed(store: &Store, id: &ImageId, compression: Compression) -> StoreResult<Vec<Layer>> {
    let image = store.image(id)?;
    if goes_as_it_came(store, &image)? {
        return Ok(Vec::new());
    }
    let usable = [compression, Compression::Gzip, Compression::Zstd].map(Some);
    let mut layers: Vec<Layer> = Vec::new();
    for id in &image.layers {
        let layer = store.layer(id)?;
        // One that was left in a registry goes as it is there.
        if !layer.has_content()? {
            continue;
        }
        let has_usable = layer.blobs()?.iter().any(|blob| usable.contains(&blob.media_type.layer_compression()));
        if !has_usable && !layers.contains(&layer) {
            layers.push(layer);
        }
    }
    Ok(layers)
}

/// Whether the image has a manifest whose blobs are all here, or were left in a registry.
fn goes_as_it_came(store: &Store, image: &Image) -> StoreResult<bool> {
    let layers = image.layers.iter().map(|id| store.layer(id)).collect::<StoreResult<Vec<_>>>()?;
    for descriptor in image.manifests.iter().filter(|manifest| store.has_blob(&manifest.digest)) {
        // One that is damaged is `manifest_for`'s to tell.
        let Ok(manifest) = Raw::<Manifest>::parse(store.read_blob(descriptor)?) else { return Ok(true) };
        let mut pairs = layers.iter().zip(&manifest.layers);
        if pairs.all(|(layer, blob)| store.has_blob(&blob.digest) || layer.has_content().is_ok_and(|here| !here)) {
            return Ok(true);
        }
    }
    Ok(false)
}
