//! The layers of an image that were never compressed: each is sent as soon as it is, while others still are.

use std::collections::BTreeMap;

use dhow_layer_store::oci::{Digest, ImageId};
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};

use crate::blocking;
use crate::error::Result;
use crate::event::Outcome;
use crate::push::PushOptions;
use crate::repository::Repository;
use crate::send_blob::Sender;
use crate::transfer::Transfer;

impl Transfer {
    /// Compresses and sends what `Store::manifest_with` would have to compress; returns what was sent.
    pub(crate) async fn send_while_compressing(
        &self,
        repository: &Repository,
        image: &ImageId,
        options: &PushOptions,
    ) -> Result<BTreeMap<Digest, Outcome>> {
        let (store, id, packing) = (self.store.clone(), *image, options.packing.clone());
        let layers = blocking::run(move || Ok(store.layers_to_pack(&id, &packing)?)).await?;
        let (compression, level) = (options.packing.compression, options.packing.level);
        let sender = &Sender { repository, events: &self.events, mode: options.mode };
        let work = layers.into_iter().map(|layer| async move {
            let blob = blocking::run(move || Ok(layer.compressed_at(compression, level)?)).await?;
            self.send_blob(sender, &blob).await
        });
        stream::iter(work).buffer_unordered(options.concurrency.max(1)).try_collect().await
    }
}
