//! From a reference to the manifest of one platform, with as few requests that count as downloads as possible.

use dhow_layer_store::oci::{Descriptor, Digest, Index, Manifest, ManifestKind, Platform, Raw, Reference};

use crate::blocking;
use crate::error::{Error, Result};
use crate::repository::{ReceivedManifest, Repository};
use crate::transfer::Transfer;

/// What a reference stands for in its registry.
#[derive(Debug, Clone)]
pub(crate) struct Resolved {
    /// What the reference itself names: the manifest or an index.
    pub(crate) top: ReceivedManifest,
    /// The manifest of the platform.
    pub(crate) manifest: Raw<Manifest>,
    /// Its descriptor.
    pub(crate) descriptor: Descriptor,
}

impl Transfer {
    /// Finds the manifest of `reference` for `platform` (the host's if there is none).
    pub(crate) async fn resolve(
        &self,
        repository: &Repository,
        reference: &Reference,
        platform: Option<&Platform>,
    ) -> Result<Resolved> {
        let top = self.top(repository, reference).await?;
        let (descriptor, bytes) = match kind(reference, &top)? {
            ManifestKind::Manifest => (top.descriptor.clone(), top.bytes.clone()),
            ManifestKind::Index => self.of_platform(repository, (reference, &top), platform).await?,
            ManifestKind::Schema1 => return Err(Error::Schema1(Box::new(reference.clone()))),
        };
        let manifest = Raw::parse(bytes).map_err(document("manifest", reference))?;
        check(reference, &manifest)?;
        Ok(Resolved { top, manifest, descriptor })
    }

    /// The document that the reference names; not loaded again if a cheap question shows that it is here.
    async fn top(&self, repository: &Repository, reference: &Reference) -> Result<ReceivedManifest> {
        if let Some(digest) = reference.digest() {
            return self.by_digest(repository, digest).await;
        }
        let tag = reference.tag().unwrap_or("latest");
        let (store, owned) = (self.store.clone(), reference.clone());
        let known = blocking::run(move || Ok(store.resolve(&owned)?)).await?.and_then(|target| target.manifest);
        if known.is_some()
            && let Some(now) = repository.manifest_head(tag).await?
            && let Some(bytes) = self.local(&now).await?
        {
            return Ok(ReceivedManifest { descriptor: now, bytes });
        }
        repository.manifest_get(tag).await
    }

    async fn of_platform(
        &self,
        repository: &Repository,
        index: (&Reference, &ReceivedManifest),
        platform: Option<&Platform>,
    ) -> Result<(Descriptor, Vec<u8>)> {
        let (reference, top) = index;
        let index: Index = serde_json::from_slice(&top.bytes).map_err(document("index", reference))?;
        let wanted = platform.cloned().unwrap_or_else(Platform::host);
        let chosen = index.select(&wanted).ok_or_else(|| Error::NoPlatform {
            reference: Box::new(reference.clone()),
            wanted: wanted.to_string(),
            available: index.platforms(),
        })?;
        let bytes = match self.local(chosen).await? {
            Some(bytes) => bytes,
            None => repository.manifest_get(&chosen.digest.to_string()).await?.bytes,
        };
        let descriptor = Descriptor::new(chosen.media_type.clone(), chosen.digest, bytes.len() as u64);
        Ok((descriptor, bytes))
    }

    async fn by_digest(&self, repository: &Repository, digest: &Digest) -> Result<ReceivedManifest> {
        if self.store.has_blob(digest)
            && let Some(now) = repository.manifest_head(&digest.to_string()).await?
            && let Some(bytes) = self.local(&now).await?
        {
            return Ok(ReceivedManifest { descriptor: now, bytes });
        }
        repository.manifest_get(&digest.to_string()).await
    }

    /// The document if it is in the store, whole.
    async fn local(&self, descriptor: &Descriptor) -> Result<Option<Vec<u8>>> {
        if !self.store.has_blob(&descriptor.digest) {
            return Ok(None);
        }
        let (store, descriptor) = (self.store.clone(), descriptor.clone());
        blocking::run(move || Ok(store.read_blob(&descriptor).ok())).await
    }
}

fn kind(reference: &Reference, top: &ReceivedManifest) -> Result<ManifestKind> {
    let not_an_image = || Error::NotAnImage {
        reference: Box::new(reference.clone()),
        reason: format!("the registry has a document of type `{}` there", top.descriptor.media_type),
    };
    ManifestKind::detect(&top.descriptor.media_type, &top.bytes).ok_or_else(not_an_image)
}

/// Config and layers must be ones that dhow can make a container of.
fn check(reference: &Reference, manifest: &Manifest) -> Result<()> {
    let not_an_image = |reason: String| Err(Error::NotAnImage { reference: Box::new(reference.clone()), reason });
    let config = &manifest.config.media_type;
    // Docker's first registries kept configs as `application/octet-stream`.
    if !config.is_config() && config.as_str() != "application/octet-stream" {
        return not_an_image(format!("its config is of type `{config}`"));
    }
    match manifest.layers.iter().find(|layer| layer.media_type.layer_compression().is_none()) {
        Some(layer) => not_an_image(format!("it has a layer of type `{}`", layer.media_type)),
        None => Ok(()),
    }
}

fn document(document: &'static str, reference: &Reference) -> impl FnOnce(serde_json::Error) -> Error {
    let reference = Box::new(reference.clone());
    move |source| Error::Document { document, reference, source }
}
