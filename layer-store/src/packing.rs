//! How an image is packed for a registry or an archive: form and level of its layers, media types, annotations.
//!
//! Without wishes an image goes as it came, or with the blobs that its layers have (`manifest_for.rs`).

use std::collections::BTreeMap;

use crate::error::{Error, Result};
use crate::layer_entry::Layer;
use crate::oci::{Compression, Descriptor, ImageId, Manifest, MediaType, Raw};
use crate::portable::{Portable, blob_at, blob_of, promised_blob_of};
use crate::store::Store;

/// What happens to blobs that layers have already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ExistingBlobs {
    /// They are used, whatever their form.
    #[default]
    Keep,
    /// Those of another form than the wanted one are made anew (`force-compression`).
    Convert,
}

/// Whose media types a manifest has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Dialect {
    /// OCI's.
    #[default]
    Oci,
    /// Docker's, schema 2 (`oci-mediatypes=false`).
    Docker,
}

/// How an image is to be packed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packing {
    /// The form of layers that have no blob yet.
    pub compression: Compression,
    /// The level for layers that were made here: 0 to 9 for gzip, 0 to 22 for zstd; `None` is dhow's own.
    pub level: Option<u32>,
    /// What happens to blobs that layers have already.
    pub existing: ExistingBlobs,
    /// Whose media types the manifest has.
    pub dialect: Dialect,
    /// Annotations of the manifest.
    pub annotations: BTreeMap<String, String>,
}

impl Default for Packing {
    fn default() -> Self {
        Self::in_form(Compression::Gzip)
    }
}

impl Packing {
    /// No wishes but for the form of layers that have no blob yet.
    pub fn in_form(compression: Compression) -> Self {
        Self {
            compression,
            level: None,
            existing: ExistingBlobs::Keep,
            dialect: Dialect::Oci,
            annotations: BTreeMap::new(),
        }
    }

    /// Whether an image may go with the manifest that it came with.
    pub fn is_plain(&self) -> bool {
        *self == Self::in_form(self.compression)
    }

    /// A blob of `layer` that will do, if it has one. It may have been left in a registry.
    fn usable(&self, layer: &Layer) -> Result<Option<Descriptor>> {
        let forms = [self.compression, Compression::Gzip, Compression::Zstd, Compression::None];
        if let (ExistingBlobs::Keep, Some(promised)) = (self.existing, promised_blob_of(layer, &forms)?) {
            return Ok(Some(promised));
        }
        let forms = match self.existing {
            ExistingBlobs::Keep => &forms[..3],
            ExistingBlobs::Convert => &forms[..1],
        };
        match self.level {
            // What came from elsewhere has no level to be asked for.
            Some(_) if self.existing == ExistingBlobs::Convert || layer.is_made_here() => {
                blob_at(layer, &forms[..1], self.level)
            }
            _ => blob_of(layer, forms),
        }
    }

    fn media_type(&self, blob: &Descriptor) -> Result<MediaType> {
        match (self.dialect, blob.media_type.layer_compression()) {
            (Dialect::Oci, Some(form)) => Ok(MediaType::oci_layer(form)),
            (Dialect::Docker, Some(Compression::None)) => Ok(MediaType::DockerLayer),
            (Dialect::Docker, Some(Compression::Gzip)) => Ok(MediaType::DockerLayerGzip),
            (Dialect::Docker, Some(Compression::Zstd)) => Err(Error::NoMediaType { layer: blob.digest }),
            (_, None) => Ok(blob.media_type.clone()),
        }
    }
}

impl Store {
    /// The layers of the image, each once, that have no blob which `packing` can use.
    ///
    /// # Errors
    /// There is no such image, or a layer's entry cannot be read.
    pub fn layers_to_pack(&self, image: &ImageId, packing: &Packing) -> Result<Vec<Layer>> {
        let image = self.image(image)?;
        let mut layers: Vec<Layer> = Vec::new();
        if packing.is_plain() && Portable::promised(self, &image)?.is_some() {
            return Ok(layers);
        }
        for id in &image.layers {
            let layer = self.layer(id)?;
            if packing.usable(&layer)?.is_none() && !layers.contains(&layer) {
                layers.push(layer);
            }
        }
        Ok(layers)
    }

    /// The manifest `descriptor`, if it is one of the image and the store has it and all its blobs, but for those of layers
    /// that were left in a registry.
    ///
    /// # Errors
    /// A blob is damaged, or the file system refuses.
    pub fn whole_manifest(&self, descriptor: &Descriptor, image: &ImageId) -> Result<Option<Raw<Manifest>>> {
        if !descriptor.media_type.is_manifest() || !self.has_blob(&descriptor.digest) {
            return Ok(None);
        }
        let malformed = |source| Error::Malformed { what: "manifest", digest: descriptor.digest, source };
        let manifest: Raw<Manifest> = Raw::parse(self.read_blob(descriptor)?).map_err(malformed)?;
        let layers = self.image(image)?.layers;
        let mut is_whole = manifest.config.digest == *image.digest() && layers.len() == manifest.layers.len();
        for (id, blob) in layers.iter().zip(&manifest.layers) {
            is_whole &= self.has_blob(&blob.digest) || !self.layer(id)?.has_content()?;
        }
        Ok(is_whole.then_some(manifest))
    }

    /// The manifest of the image so packed; it is in the store then, and its blobs, but for those of layers that were left
    /// in a registry. Unless the packing
    /// [is plain](Packing::is_plain), the image does not know of it: it is a name's to remember.
    ///
    /// # Errors
    /// There is no such image, a layer cannot be read, a form has no media type, or the file system refuses.
    pub fn manifest_with(&self, image: &ImageId, packing: &Packing) -> Result<Raw<Manifest>> {
        if packing.is_plain() {
            return self.manifest_for(image, packing.compression);
        }
        let image = self.image(image)?;
        let mut layers = Vec::new();
        for id in &image.layers {
            let layer = self.layer(id)?;
            let blob = match packing.usable(&layer)? {
                Some(blob) => blob,
                None => layer.compressed_at(packing.compression, packing.level)?,
            };
            layers.push(Descriptor::new(packing.media_type(&blob)?, blob.digest, blob.size));
        }
        let (own, config) = match packing.dialect {
            Dialect::Oci => (MediaType::OciManifest, MediaType::OciConfig),
            Dialect::Docker => (MediaType::DockerManifest, MediaType::DockerConfig),
        };
        let config = Descriptor { media_type: config, ..image.config_descriptor.clone() };
        let mut manifest = Manifest::oci(config, layers);
        manifest.media_type = Some(own.clone());
        manifest.annotations.clone_from(&packing.annotations);
        let manifest = Raw::create(manifest).map_err(|source| Error::Encode { what: "a manifest", source })?;
        self.put_blob(own, manifest.bytes())?;
        Ok(manifest)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{Dialect, ExistingBlobs, Packing};
    use crate::error::Error;
    use crate::import::{ImportOptions, import_dir};
    use crate::oci::{Compression, ImageId, MediaType};
    use crate::test_store::TestStore;

    fn image(store: &TestStore) -> ImageId {
        let tree = tempfile::tempdir().expect("directory");
        fs::write(tree.path().join("file"), b"some text ".repeat(20_000)).expect("file");
        import_dir(store, tree.path(), &ImportOptions::default()).expect("import")
    }

    #[test]
    fn wishes_are_followed_and_leave_the_usual_manifest_alone() {
        let store = TestStore::new();
        let image = image(&store);
        let usual = store.manifest_for(&image, Compression::Gzip).expect("manifest");
        let annotations = [("a".to_owned(), "b".to_owned())].into();
        let fast = Packing { level: Some(1), ..Packing::default() };
        let best = Packing { level: Some(9), ..Packing::default() };
        let zstd = Packing { existing: ExistingBlobs::Convert, ..Packing::in_form(Compression::Zstd) };
        let docker = Packing { dialect: Dialect::Docker, ..Packing::default() };
        let noted = Packing { annotations, ..Packing::default() };
        let made: Vec<_> = [&fast, &best, &zstd, &docker, &noted]
            .map(|packing| store.manifest_with(&image, packing).expect("manifest"))
            .into_iter()
            .collect();
        assert!(made[0].layers[0].size > made[1].layers[0].size);
        assert_eq!(made[2].layers[0].media_type, MediaType::OciLayerZstd);
        assert_eq!(made[3].media_type, Some(MediaType::DockerManifest));
        assert_eq!(made[3].layers[0].media_type, MediaType::DockerLayerGzip);
        assert_eq!(made[3].layers[0].digest, usual.layers[0].digest);
        assert_eq!(made[4].annotations["a"], "b");
        for manifest in &made {
            assert!(manifest.layers[0].annotations.is_empty());
            assert!(store.has_blob(&manifest.digest()) && store.has_blob(&manifest.layers[0].digest));
        }
        assert_eq!(store.manifest_for(&image, Compression::Gzip).expect("manifest"), usual);
        assert!(store.layers_to_pack(&image, &best).expect("layers").is_empty());
        let other = Packing { level: Some(5), ..Packing::default() };
        assert_eq!(store.layers_to_pack(&image, &other).expect("layers").len(), 1);
    }

    #[test]
    fn docker_has_no_name_for_zstd() {
        let store = TestStore::new();
        let image = image(&store);
        let packing = Packing { dialect: Dialect::Docker, ..Packing::in_form(Compression::Zstd) };
        let error = store.manifest_with(&image, &packing).expect_err("no media type");
        assert!(matches!(error, Error::NoMediaType { .. }) && error.hint().is_some(), "{error}");
    }
}
