//! Images: `images/<hex>.json`, one for each config digest.
//!
//! An image is its config, the layers that it stands on, and the manifests that it is known by. Names are in `refs.rs`.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::durable;
use crate::error::{Error, Result};
use crate::layer_id::{LayerId, Stack};
use crate::leases::Leased;
use crate::oci::{Descriptor, Digest, ImageConfig, ImageId, MediaType, Raw};
use crate::refs::names_in;
use crate::store::Store;

/// The content of an image's file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ImageRecord {
    /// The config, a blob of the store.
    pub(crate) config: Descriptor,
    /// Lowest first.
    pub(crate) layers: Vec<LayerId>,
    /// Manifests with this config, as received or as made for a push; they may have left the store.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) manifests: Vec<Descriptor>,
    /// When the image entered the store, RFC 3339.
    pub(crate) created_at: String,
}

/// An image of the store, as it was when it was looked up.
#[derive(Debug, Clone)]
pub struct Image {
    /// Digest of the config.
    pub id: ImageId,
    /// The config.
    pub config: Raw<ImageConfig>,
    /// The config as a blob: its media type says whose image it was.
    pub config_descriptor: Descriptor,
    /// Lowest first.
    pub layers: Vec<LayerId>,
    /// Manifests with this config, as received or as made for a push; they may have left the store.
    pub manifests: Vec<Descriptor>,
    /// When it entered the store, RFC 3339.
    pub added_at: String,
    store: Store,
}

impl Image {
    /// The layers as a stack.
    pub fn stack(&self) -> Stack {
        Stack(self.layers.clone())
    }

    /// Sum of the sizes of its uncompressed layers in bytes; of the blob where a layer was never unpacked.
    ///
    /// # Errors
    /// A layer's entry cannot be read.
    pub fn size(&self) -> Result<u64> {
        let size = |id| match self.store.unleased_layer(id).and_then(|layer| layer.size()) {
            // The image was removed since it was looked up.
            Err(Error::LayerMissing(_)) if !self.store.image_path(&self.id).exists() => Ok(0),
            other => other,
        };
        self.layers.iter().map(size).sum()
    }

    /// When it was made by its config, else when it entered the store: RFC 3339.
    pub fn created(&self) -> &str {
        self.config.created.as_deref().unwrap_or(&self.added_at)
    }
}

impl Store {
    /// Adds an image: its config, whose media type is `media_type`, on `layers`, which are in the store. For an image
    /// that is here already only the manifest is new. Nobody else removes it while this store is open, so that it can get
    /// names.
    ///
    /// # Errors
    /// The layers are not those of the config, or the file system refuses.
    pub fn add_image(
        &self,
        config: &Raw<ImageConfig>,
        media_type: MediaType,
        layers: &[LayerId],
        manifest: Option<Descriptor>,
    ) -> Result<ImageId> {
        let id = ImageId(config.digest());
        self.leases().take(Leased::image(&id))?;
        let _no_sweep = self.no_sweep()?;
        self.check_layers(config, layers)?;
        let config = self.put_blob(media_type, config.bytes())?;
        let _lock = durable::lock_directory(&self.path("images"))?;
        let before: Option<ImageRecord> = durable::read(&self.image_path(&id))?;
        let mut record = match &before {
            Some(record) if self.are_here(&record.layers) => record.clone(),
            _ => ImageRecord { config, layers: layers.to_vec(), manifests: Vec::new(), created_at: now() },
        };
        if let Some(manifest) = manifest {
            note_manifest(&mut record, manifest);
        }
        if before.as_ref() != Some(&record) {
            self.write_file(&self.image_path(&id), &durable::encode("an image", &record)?)?;
        }
        Ok(id)
    }

    /// Notes that `manifest` is a manifest of the image `id`.
    ///
    /// # Errors
    /// There is no such image, or the file system refuses.
    pub fn add_manifest(&self, id: &ImageId, manifest: Descriptor) -> Result<()> {
        let image = self.image(id)?;
        let media_type = image.config_descriptor.media_type;
        self.add_image(&image.config, media_type, &image.layers, Some(manifest)).map(drop)
    }

    /// The image `id`, which is leased with its config and its layers: it does not go by itself, and if somebody removes it
    /// by its name, config and layers stay.
    ///
    /// # Errors
    /// There is none, or it is damaged.
    pub fn image(&self, id: &ImageId) -> Result<Image> {
        let record = self.image_record(id)?.ok_or_else(|| not_found(id))?;
        self.leases().take(Leased::image_in_use(id))?;
        self.leases().take(Leased::blob(&record.config.digest))?;
        record.layers.iter().try_for_each(|layer| self.leases().take(Leased::layer(layer)))?;
        // As long as it was there its content was kept for it; from here on by the leases.
        if !self.image_path(id).exists() {
            return Err(not_found(id));
        }
        self.read_image(id, record)
    }

    fn read_image(&self, id: &ImageId, record: ImageRecord) -> Result<Image> {
        let bytes = self.read_blob(&record.config)?;
        let config = Raw::parse(bytes).map_err(Error::damaged(&self.blob_path(&record.config.digest)))?;
        Ok(Image {
            id: *id,
            config,
            config_descriptor: record.config,
            layers: record.layers,
            manifests: record.manifests,
            added_at: record.created_at,
            store: self.clone(),
        })
    }

    /// The ids of all images, sorted.
    ///
    /// # Errors
    /// The file system refuses.
    pub fn image_ids(&self) -> Result<Vec<ImageId>> {
        let directory = self.path("images");
        let mut ids = Vec::new();
        for name in names_in(&directory)? {
            let digits = name.strip_suffix(".json").unwrap_or(&name);
            ids.push(ImageId(Digest::from_hex(digits).map_err(Error::damaged(&directory.join(&name)))?));
        }
        ids.sort();
        Ok(ids)
    }

    /// All images, those added last first.
    ///
    /// # Errors
    /// The file system refuses, or an image is damaged.
    pub fn images(&self) -> Result<Vec<Image>> {
        let mut images = Vec::new();
        for id in self.image_ids()? {
            let Some(record) = self.image_record(&id)? else { continue };
            match self.read_image(&id, record) {
                // Another process may have removed it since.
                Err(Error::BlobMissing(_)) if !self.image_path(&id).exists() => {}
                result => images.push(result?),
            }
        }
        images.sort_by(|one, other| (&other.added_at, other.id).cmp(&(&one.added_at, one.id)));
        Ok(images)
    }

    /// Removes an image; its names must be gone before. What only it used goes with the next sweep. Whether it went: one that
    /// another process has just made too, and may give a name, stays.
    ///
    /// # Errors
    /// The file system refuses.
    pub fn remove_image(&self, id: &ImageId) -> Result<bool> {
        let _lock = durable::lock_directory(&self.path("images"))?;
        self.forget_image(id)
    }

    /// The same for whoever has the lock of `images`.
    pub(crate) fn forget_image(&self, id: &ImageId) -> Result<bool> {
        let Some(_alone) = self.leases().alone_with(Leased::image(id))? else { return Ok(false) };
        durable::remove(&self.image_path(id))?;
        self.forget_left(id)?;
        Ok(true)
    }

    /// The same for an image that nobody asked to remove: one that another process has looked up stays as well.
    pub(crate) fn forget_unused_image(&self, id: &ImageId) -> Result<bool> {
        let alone = self.leases().alone_with(Leased::image_in_use(id))?;
        Ok(alone.is_some() && self.forget_image(id)?)
    }

    pub(crate) fn image_record(&self, id: &ImageId) -> Result<Option<ImageRecord>> {
        durable::read(&self.image_path(id))
    }

    fn image_path(&self, id: &ImageId) -> PathBuf {
        self.path("images").join(id.digest().hex() + ".json")
    }

    fn are_here(&self, layers: &[LayerId]) -> bool {
        layers.iter().all(|id| self.layer(id).is_ok())
    }

    /// Each layer must be here, with the diff id that the config lists for it.
    fn check_layers(&self, config: &Raw<ImageConfig>, layers: &[LayerId]) -> Result<()> {
        let image = config.digest();
        let mismatch = |reason| Error::LayersMismatch { image, reason };
        let listed = &config.rootfs.diff_ids;
        if listed.len() != layers.len() {
            return Err(mismatch(format!("it lists `{}` layers, not `{}`", listed.len(), layers.len())));
        }
        for (diff_id, id) in listed.iter().zip(layers) {
            let layer = self.layer(id)?;
            let known = layer.known_diff_id()?;
            if known != Some(*diff_id) {
                let has = known.map_or("no known diff id".to_owned(), |known| format!("diff id `{known}`"));
                return Err(mismatch(format!("it lists `{diff_id}`, but layer `{id}` has {has}")));
            }
            // Whoever noted the diff id may have been killed before the index had it.
            layer.index(diff_id)?;
        }
        Ok(())
    }
}

fn not_found(id: &ImageId) -> Error {
    Error::ImageNotFound { name: id.to_string(), similar: Vec::new() }
}

fn note_manifest(record: &mut ImageRecord, manifest: Descriptor) {
    if !record.manifests.iter().any(|known| known.digest == manifest.digest) {
        record.manifests.push(manifest);
    }
}

/// Now, RFC 3339 in UTC with milliseconds.
pub(crate) fn now() -> String {
    format!("{:.3}", jiff::Timestamp::now())
}

#[cfg(test)]
mod tests {
    use crate::error::Error;
    use crate::oci::{Descriptor, DiffId, Digest, ImageConfig, ImageId, MediaType, Raw};
    use crate::test_store::TestStore;

    #[test]
    fn an_image_is_read_as_it_was_added() {
        let store = TestStore::new();
        let layer = store.put_blob(MediaType::OciLayer, b"tar").expect("blob");
        let diff_id = DiffId(layer.digest);
        let layer = store.add_blob_layer(diff_id, layer).expect("layer");
        let config = config(&[diff_id]);
        let manifest = Descriptor::of(MediaType::OciManifest, b"m");
        let layers = [layer.id().clone()];
        let id = store.add_image(&config, MediaType::DockerConfig, &layers, Some(manifest.clone())).expect("add");
        let again = store.add_image(&config, MediaType::DockerConfig, &layers, Some(manifest.clone())).expect("add");
        assert_eq!((id, again), (ImageId(config.digest()), id));

        let image = store.reopened().image(&id).expect("image");
        assert_eq!(image.config, config);
        assert_eq!((image.layers.as_slice(), image.manifests.as_slice()), (&layers[..], &[manifest][..]));
        assert_eq!(image.config_descriptor.media_type, MediaType::DockerConfig);
        assert_eq!(image.size().expect("size"), 3);
        assert_eq!(store.images().expect("images").len(), 1);

        store.remove_image(&id).expect("remove");
        assert!(matches!(store.image(&id), Err(Error::ImageNotFound { .. })));
    }

    #[test]
    fn layers_must_be_those_of_the_config() {
        let store = TestStore::new();
        let blob = store.put_blob(MediaType::OciLayer, b"tar").expect("blob");
        let layer = store.add_blob_layer(DiffId(blob.digest), blob.clone()).expect("layer");
        let other = DiffId(Digest::of(b"other"));
        for diff_ids in [&[][..], &[other], &[DiffId(blob.digest), other]] {
            let added = store.add_image(&config(diff_ids), MediaType::OciConfig, &[layer.id().clone()], None);
            assert!(matches!(added, Err(Error::LayersMismatch { .. })), "{diff_ids:?}");
        }
        assert!(store.image_ids().expect("ids").is_empty());
    }

    fn config(diff_ids: &[DiffId]) -> Raw<ImageConfig> {
        let mut config = ImageConfig::default();
        config.rootfs.diff_ids = diff_ids.to_vec();
        Raw::create(config).expect("config")
    }
}
