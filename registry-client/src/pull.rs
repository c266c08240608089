//! Pulls an image: manifest, then config, then the layers that are missing, several at once; names come last.

use std::collections::BTreeSet;

use dhow_layer_store::oci::{
    Descriptor, DiffId, Digest, ImageConfig, ImageId, Index, Manifest, Platform, Raw, Reference,
};
use dhow_layer_store::{Image, RefTarget, Store};
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};

use crate::download::Download;
use crate::error::{Error, Result};
use crate::event::{Event, Outcome};
use crate::repository::{ReceivedManifest, Repository};
use crate::resolve::Resolved;
use crate::transfer::{CONCURRENCY, Transfer};
use crate::{blocking, origin};

/// How to pull.
#[derive(Debug, Clone)]
pub struct PullOptions {
    /// The platform to take from an index, and that a single image must be for. Without one the host's is taken from an
    /// index, and a single image may be for any.
    pub platform: Option<Platform>,
    /// How many blobs move at once, at least 1.
    pub concurrency: usize,
    /// Which layers are moved.
    pub layers: Fetch,
}

impl Default for PullOptions {
    fn default() -> Self {
        Self { platform: None, concurrency: CONCURRENCY, layers: Fetch::All }
    }
}

/// Which layers a pull moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fetch {
    /// All that the store lacks.
    All,
    /// None: the image is in the store with its config and promises of layers, which [`Transfer::fetch_layers`] keeps.
    None,
}

/// An image that is in the store now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pulled {
    /// The image.
    pub image: ImageId,
    /// What the reference names in the registry: a manifest or an index.
    pub top: Descriptor,
    /// The manifest of the platform.
    pub manifest: Descriptor,
    /// The platform that the image is for.
    pub platform: Platform,
    /// Whether anything was new.
    pub status: PullStatus,
}

/// Whether a pull changed the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PullStatus {
    /// The reference stood for this very image, and nothing was missing.
    UpToDate,
    /// Something was moved, or the reference stood for another image or none.
    Updated,
}

impl Transfer {
    /// Gets the image that `reference` names from its registry, under that name. Done by halves it can be repeated: blobs
    /// and parts of blobs that arrived are not moved again.
    ///
    /// # Errors
    /// The registry cannot be reached or refuses; the image is of no kind or platform that can be used; what arrives is
    /// not what was promised; the store fails.
    pub async fn pull(&self, reference: &Reference, options: &PullOptions) -> Result<Pulled> {
        let repository = self.client.repository(reference).await?;
        let resolved = self.resolve(&repository, reference, options.platform.as_ref()).await?;
        self.announce(&resolved);
        let download = Download { repository: &repository, store: &self.store, events: &self.events };
        let config = download.run(&resolved.manifest.config);
        let (config_outcome, config) = (config.await?, self.config(reference, &resolved.manifest).await?);
        check_platform(reference, &config, options.platform.as_ref())?;
        let layers = self.layers(&repository, &resolved.manifest, &config, options).await?;
        let moved = layers.contains(&Outcome::Transferred) || config_outcome == Outcome::Transferred;
        self.note_origins(&repository, &resolved.manifest).await?;
        let (image, before) = self.add(reference, &resolved, config.clone()).await?;
        let is_known = before.is_some_and(|before| before.stands_for(&image));
        let status = if !moved && is_known { PullStatus::UpToDate } else { PullStatus::Updated };
        let Resolved { top, descriptor, .. } = resolved;
        Ok(Pulled { image, top: top.descriptor, manifest: descriptor, platform: config.platform(), status })
    }

    /// What the reference stands for in its registry now: digest of its manifest or index, without loading it.
    ///
    /// # Errors
    /// The registry cannot be reached or refuses.
    pub async fn remote_digest(&self, reference: &Reference) -> Result<Option<Digest>> {
        let repository = self.client.repository(reference).await?;
        let named = reference.digest().map(ToString::to_string).or_else(|| reference.tag().map(str::to_owned));
        let head = repository.manifest_head(named.as_deref().unwrap_or("latest")).await?;
        Ok(head.map(|descriptor| descriptor.digest))
    }

    fn announce(&self, resolved: &Resolved) {
        let blobs = distinct(std::iter::once(&resolved.manifest.config).chain(&resolved.manifest.layers));
        let blobs = blobs.iter().map(|blob| (blob.digest, blob.size)).collect();
        self.tell(Event::Resolved { manifest: resolved.descriptor.digest, blobs });
    }

    async fn config(&self, reference: &Reference, manifest: &Manifest) -> Result<Raw<ImageConfig>> {
        let (store, descriptor) = (self.store.clone(), manifest.config.clone());
        let bytes = blocking::run(move || Ok(store.read_blob(&descriptor)?)).await?;
        let config: Raw<ImageConfig> = Raw::parse(bytes).map_err(|source| Error::Document {
            document: "config",
            reference: Box::new(reference.clone()),
            source,
        })?;
        let (have, want) = (manifest.layers.len(), config.rootfs.diff_ids.len());
        if have != want {
            let reason = format!("its manifest has {have} layers, but its config {want}");
            return Err(Error::NotAnImage { reference: Box::new(reference.clone()), reason });
        }
        Ok(config)
    }

    async fn layers(
        &self,
        repository: &Repository,
        manifest: &Manifest,
        config: &ImageConfig,
        options: &PullOptions,
    ) -> Result<Vec<Outcome>> {
        let download = &Download { repository, store: &self.store, events: &self.events };
        let mut seen = BTreeSet::new();
        let mut pairs: Vec<_> = manifest.layers.iter().zip(&config.rootfs.diff_ids).collect();
        pairs.retain(|(blob, _)| seen.insert(blob.digest));
        let work = pairs.into_iter().map(|(blob, diff_id)| async move {
            let outcome = match (self.is_here(*diff_id).await?, options.layers) {
                (true, _) => Outcome::Present,
                (false, Fetch::None) if !self.store.has_blob(&blob.digest) => Outcome::Deferred,
                (false, _) => return download.run(blob).await,
            };
            self.tell(Event::BlobDone { digest: blob.digest, outcome });
            Ok(outcome)
        });
        stream::iter(work).buffer_unordered(options.concurrency.max(1)).try_collect().await
    }

    /// Whether the layer's content is in the store in any form.
    async fn is_here(&self, diff_id: DiffId) -> Result<bool> {
        let store = self.store.clone();
        blocking::run(move || Ok(store.layer_by_diff_id(&diff_id)?.map_or(Ok(false), |layer| layer.has_content())?))
            .await
    }

    async fn note_origins(&self, repository: &Repository, manifest: &Manifest) -> Result<()> {
        let blobs: Vec<Digest> = manifest.layers.iter().chain([&manifest.config]).map(|blob| blob.digest).collect();
        let place = format!("{}/{}", repository.registry(), repository.name());
        let store = self.store.clone();
        blocking::run(move || origin::note(&store, &blobs, &place)).await
    }

    /// Enters layers, documents, image and name into the store; returns what the name stood for before.
    async fn add(
        &self,
        reference: &Reference,
        resolved: &Resolved,
        config: Raw<ImageConfig>,
    ) -> Result<(ImageId, Option<RefTarget>)> {
        let (store, reference, resolved) = (self.store.clone(), reference.clone(), resolved.clone());
        blocking::run(move || {
            let Resolved { top, manifest, descriptor } = resolved;
            let pairs = manifest.layers.iter().zip(&config.rootfs.diff_ids);
            let layers = pairs
                .map(|(blob, diff_id)| store.add_blob_layer(*diff_id, plain(blob)).map(|layer| layer.id().clone()))
                .collect::<dhow_layer_store::Result<Vec<_>>>()?;
            store.put_blob(top.descriptor.media_type.clone(), &top.bytes)?;
            store.put_blob(descriptor.media_type.clone(), manifest.bytes())?;
            let config_type = manifest.config.media_type.clone();
            let image = store.add_image(&config, config_type, &layers, Some(descriptor))?;
            let before = store.resolve(&reference)?;
            let target = match &before {
                Some(before) if before.manifest.as_ref() == Some(&top.descriptor) => {
                    joined(&store, before, image, &top)?
                }
                _ => RefTarget::one(image, Some(top.descriptor)),
            };
            store.tag_as(&reference, target)?;
            Ok((image, before))
        })
        .await
    }
}

/// A name that already stood for images of the index `top`, with one more; this machine's own is what it means.
fn joined(
    store: &Store,
    before: &RefTarget,
    image: ImageId,
    top: &ReceivedManifest,
) -> dhow_layer_store::Result<RefTarget> {
    let mut images: Vec<Image> = before.images().filter_map(|image| store.image(image).ok()).collect();
    if !before.stands_for(&image) {
        images.push(store.image(&image)?);
    }
    let index: Index = serde_json::from_slice(&top.bytes).unwrap_or_else(|_| Index::oci(Vec::new()));
    let place = |image: &Image| {
        let is_its = |entry: &Descriptor| image.manifests.iter().any(|manifest| manifest.digest == entry.digest);
        index.manifests.iter().position(is_its).unwrap_or(usize::MAX)
    };
    images.sort_by_key(place);
    let own = images.iter().find(|image| image.config.platform().serves(&Platform::host()));
    let image = own.map_or(image, |own| own.id);
    let platforms = if images.len() > 1 { images.iter().map(|image| image.id).collect() } else { Vec::new() };
    Ok(RefTarget { image, manifest: Some(top.descriptor.clone()), platforms })
}

/// A descriptor as the store keeps it with a layer: annotations are the manifest's matter.
fn plain(blob: &Descriptor) -> Descriptor {
    Descriptor::new(blob.media_type.clone(), blob.digest, blob.size)
}

/// Each blob once, in order.
pub(crate) fn distinct<'a>(blobs: impl Iterator<Item = &'a Descriptor>) -> Vec<&'a Descriptor> {
    let mut seen = BTreeSet::new();
    blobs.filter(|blob| seen.insert(blob.digest)).collect()
}

fn check_platform(reference: &Reference, config: &ImageConfig, wanted: Option<&Platform>) -> Result<()> {
    let have = config.platform();
    match wanted {
        Some(wanted) if !have.serves(wanted) => Err(Error::NoPlatform {
            reference: Box::new(reference.clone()),
            wanted: wanted.to_string(),
            available: vec![have.to_string()],
        }),
        _ => Ok(()),
    }
}
