//! Pushes an image: the layers that the registry lacks, several at once, then the config, then the manifest.

use std::collections::BTreeMap;
use std::fs::File;
use std::sync::Arc;

use bytes::Bytes;
use dhow_layer_store::oci::{Descriptor, Digest, ImageId, Manifest, MediaType, Raw, Reference};
use dhow_layer_store::{ExistingBlobs, IndexPlan, Packing, RefTarget};
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};

use crate::auth::Access;
use crate::error::{Error, Result};
use crate::event::{Event, Outcome};
use crate::pull::distinct;
use crate::repository::Repository;
use crate::send_blob::{BlobSource, Content, Sender, UploadMode};
use crate::transfer::{CONCURRENCY, Transfer};
use crate::upload::Mount;
use crate::{blocking, origin};

/// How to push.
#[derive(Debug, Clone)]
pub struct PushOptions {
    /// How many blobs move at once, at least 1.
    pub concurrency: usize,
    /// How blobs are sent.
    pub mode: UploadMode,
    /// How the image is packed; what has left this machine before goes as it did unless there are wishes.
    pub packing: Packing,
}

impl Default for PushOptions {
    fn default() -> Self {
        Self { concurrency: CONCURRENCY, mode: UploadMode::default(), packing: Packing::default() }
    }
}

/// An image that is in a registry now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// Its manifest.
    pub manifest: Descriptor,
    /// How each blob got there: nothing at all if the registry had the manifest.
    pub blobs: Vec<(Digest, Outcome)>,
}

/// An image on its way.
struct Work<'a> {
    repository: Repository,
    reference: &'a Reference,
    manifest: &'a Raw<Manifest>,
    options: &'a PushOptions,
    /// What is there already.
    sent: BTreeMap<Digest, Outcome>,
}

impl Transfer {
    /// Puts the image that `reference` names in the store into its registry under that name. A layer that has to be
    /// compressed first is sent while the next is being compressed; one that was left in a registry is taken over
    /// there, or fetched if it has to be. Done by halves it can be repeated.
    ///
    /// # Errors
    /// The store has no such image, or cannot pack it; the registry cannot be reached or refuses.
    pub async fn push(&self, reference: &Reference, options: &PushOptions) -> Result<Pushed> {
        let (store, name) = (self.store.clone(), reference.to_string());
        let found = blocking::run(move || Ok(store.require(&name)?)).await?;
        let target = found.reference.map_or(RefTarget::one(found.image, None), |(_, target)| target);
        let pushed = match &target.platforms[..] {
            [] => self.push_one(reference, &target, options).await?,
            platforms => self.push_several(reference, (&target, platforms), options).await?,
        };
        let (store, reference) = (self.store.clone(), reference.clone());
        let target = RefTarget { manifest: Some(pushed.manifest.clone()), ..target };
        blocking::run(move || Ok(store.tag_as(&reference, target)?)).await?;
        Ok(pushed)
    }

    async fn push_one(&self, reference: &Reference, target: &RefTarget, options: &PushOptions) -> Result<Pushed> {
        let known = match &target.manifest {
            Some(known) if options.packing.is_plain() => self.whole_manifest(known.clone(), target.image).await?,
            _ => None,
        };
        match known {
            Some(manifest) => self.push_manifest(reference, &manifest, options).await,
            None => self.push_image(reference, &target.image, options).await,
        }
    }

    async fn push_several(
        &self,
        reference: &Reference,
        (target, platforms): (&RefTarget, &[ImageId]),
        options: &PushOptions,
    ) -> Result<Pushed> {
        let known = match &target.manifest {
            Some(known) if options.packing.is_plain() => self.known_index(known.clone(), platforms.to_vec()).await?,
            _ => None,
        };
        if let Some(index) = known {
            return self.push_index(reference, &index, options).await;
        }
        let mut plan = IndexPlan::plain(platforms);
        plan.entries.iter_mut().for_each(|entry| entry.packing.clone_from(&options.packing));
        self.push_images(reference, &plan, options).await
    }

    /// Puts the image `image` of the store into the registry of `reference` under that name, which the store need not
    /// know, and does not get to know.
    ///
    /// # Errors
    /// As of [`push`](Self::push).
    pub async fn push_image(&self, reference: &Reference, image: &ImageId, options: &PushOptions) -> Result<Pushed> {
        if options.packing.existing == ExistingBlobs::Convert {
            let (store, id) = (self.store.clone(), *image);
            let layers = blocking::run(move || Ok(store.image(&id)?.layers)).await?;
            self.fetch_layers(&layers).await?;
        }
        let repository = self.client.repository(reference).await?;
        let sent = self.send_while_compressing(&repository, image, options).await?;
        let (store, packing, image) = (self.store.clone(), options.packing.clone(), *image);
        let manifest = blocking::run(move || Ok(store.manifest_with(&image, &packing)?)).await?;
        self.put(&Work { repository, reference, manifest: &manifest, options, sent }).await
    }

    /// The manifest that a name has for itself, one with annotations, say.
    async fn whole_manifest(&self, known: Descriptor, image: ImageId) -> Result<Option<Raw<Manifest>>> {
        let store = self.store.clone();
        blocking::run(move || Ok(store.whole_manifest(&known, &image)?)).await
    }

    /// Puts the image with `manifest`, whose blobs are in the store or in a registry that they came from, into the
    /// registry under `reference`. Done by halves it can be repeated: blobs that arrived are not sent again.
    ///
    /// # Errors
    /// The registry cannot be reached or refuses; a blob is nowhere.
    pub async fn push_manifest(
        &self,
        reference: &Reference,
        manifest: &Raw<Manifest>,
        options: &PushOptions,
    ) -> Result<Pushed> {
        let repository = self.client.repository(reference).await?;
        self.put(&Work { repository, reference, manifest, options, sent: BTreeMap::new() }).await
    }

    async fn put(&self, work: &Work<'_>) -> Result<Pushed> {
        let Work { repository, reference, manifest, .. } = work;
        let media_type = manifest.media_type.clone().unwrap_or(MediaType::OciManifest);
        let descriptor = Descriptor::of(media_type, manifest.bytes());
        let wanted = distinct(manifest.layers.iter().chain([&manifest.config]));
        let announced = wanted.iter().map(|blob| (blob.digest, blob.size)).collect();
        self.tell(Event::Resolved { manifest: descriptor.digest, blobs: announced });
        let mut blobs = Vec::new();
        // A registry that has the manifest has made sure that it has the blobs.
        if repository.manifest_head_with(&descriptor.digest.to_string(), Access::Push).await?.is_none() {
            blobs = self.blobs(work).await?;
        }
        let name = reference.tag().map_or_else(|| descriptor.digest.to_string(), str::to_owned);
        let bytes = Bytes::copy_from_slice(manifest.bytes());
        match repository.manifest_put(&name, &descriptor.media_type, bytes.clone()).await {
            Err(Error::Status(status)) if blobs.is_empty() && status.has_code("MANIFEST_BLOB_UNKNOWN") => {
                blobs = self.blobs(work).await?;
                repository.manifest_put(&name, &descriptor.media_type, bytes).await?
            }
            result => result?,
        };
        Ok(Pushed { manifest: descriptor, blobs })
    }

    /// Sends the layers and then the config: some registries look at it as soon as it is there.
    async fn blobs(&self, work: &Work<'_>) -> Result<Vec<(Digest, Outcome)>> {
        let Work { repository, manifest, options, sent, .. } = work;
        let sender = &Sender { repository, events: &self.events, mode: options.mode };
        let is_left = |blob: &&Descriptor| blob.digest != manifest.config.digest && !sent.contains_key(&blob.digest);
        let layers = distinct(manifest.layers.iter()).into_iter().filter(is_left);
        let sending = stream::iter(layers.map(|blob| self.send_blob(sender, blob)));
        let now: Vec<_> = sending.buffer_unordered(options.concurrency.max(1)).try_collect().await?;
        let config = self.send_blob(sender, &manifest.config).await?;
        let outcomes: Vec<_> =
            sent.iter().map(|(digest, outcome)| (*digest, *outcome)).chain(now).chain([config]).collect();
        let (store, digests) = (self.store.clone(), outcomes.iter().map(|(digest, _)| *digest).collect::<Vec<_>>());
        let place = format!("{}/{}", repository.registry(), repository.name());
        blocking::run(move || origin::note(&store, &digests, &place)).await?;
        Ok(outcomes)
    }

    pub(crate) async fn send_blob(&self, sender: &Sender<'_>, blob: &Descriptor) -> Result<(Digest, Outcome)> {
        let outcome = if sender.is_there(blob).await? { Outcome::Present } else { self.bring(sender, blob).await? };
        self.tell(Event::BlobDone { digest: blob.digest, outcome });
        Ok((blob.digest, outcome))
    }

    async fn bring(&self, sender: &Sender<'_>, blob: &Descriptor) -> Result<Outcome> {
        let mut source = self.source(sender.repository, blob).await?;
        if source.file.is_err() && source.mount_from.is_empty() {
            source.file = Ok(self.fetched(sender.repository, blob).await?);
        }
        let upload = match sender.mount(blob, &source.mount_from).await? {
            Mount::Mounted => return Ok(Outcome::Mounted),
            Mount::Refused(upload) => upload,
        };
        let file = match source.file {
            Ok(file) => file,
            Err(_) => self.fetched(sender.repository, blob).await?,
        };
        sender.run(Content { blob: blob.clone(), file }, upload).await
    }

    /// The file of a blob that was left in a registry.
    async fn fetched(&self, repository: &Repository, blob: &Descriptor) -> Result<Arc<File>> {
        self.fetch_blob(blob).await?;
        Ok(self.source(repository, blob).await?.file?)
    }

    async fn source(&self, repository: &Repository, blob: &Descriptor) -> Result<BlobSource> {
        let (store, blob) = (self.store.clone(), blob.clone());
        let (registry, name) = (repository.registry().to_owned(), repository.name().to_owned());
        blocking::run(move || {
            let mount_from = origin::in_registry(&store, &blob.digest, (&registry, &name))?;
            let file = store.blob_file(&blob).map(Arc::new);
            Ok(BlobSource { file, mount_from })
        })
        .await
    }
}
