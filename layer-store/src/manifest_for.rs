//! The manifest that an image goes to a registry with.

use crate::error::Result;
use crate::oci::{Compression, Descriptor, ImageId, Manifest, Raw};
use crate::portable::{Portable, blob_of, promised_blob_of};
use crate::store::Store;

impl Store {
    /// A manifest of the image for a registry: the one it came with, or was pushed with before; else one of the blobs
    /// that its layers have. Layers without a compressed blob are compressed, which is remembered. All blobs are in the
    /// store but those of layers that were left in a registry ([`Layer::has_content`](crate::Layer::has_content)).
    ///
    /// # Errors
    /// There is no such image, a layer of it cannot be read, or the file system refuses.
    pub fn manifest_for(&self, image: &ImageId, compression: Compression) -> Result<Raw<Manifest>> {
        let image = self.image(image)?;
        if let Some(received) = Portable::promised(self, &image)? {
            return Ok(received.manifest);
        }
        let mut layers: Vec<Descriptor> = Vec::new();
        for id in &image.layers {
            let layer = self.layer(id)?;
            let forms = [compression, Compression::Gzip, Compression::Zstd, Compression::None];
            layers.push(match (blob_of(&layer, &forms[..3])?, promised_blob_of(&layer, &forms)?) {
                (Some(blob), _) | (None, Some(blob)) => blob,
                (None, None) => layer.compressed(compression)?,
            });
        }
        let made = Portable::made(&image, layers)?;
        self.put_blob(made.descriptor.media_type.clone(), made.manifest.bytes())?;
        self.add_manifest(&image.id, made.descriptor)?;
        Ok(made.manifest)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use crate::import::{ImportOptions, import_dir};
    use crate::oci::{Compression, Descriptor, DiffId, Digest, Manifest, MediaType};
    use crate::test_store::TestStore;

    #[test]
    fn a_manifest_is_made_once_and_its_blobs_are_there() {
        for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
            let store = TestStore::new();
            let tree = tempfile::tempdir().expect("directory");
            fs::write(tree.path().join("file"), vec![b'x'; 100_000]).expect("file");
            let image = import_dir(&store, tree.path(), &ImportOptions::default()).expect("import");
            let manifest = store.manifest_for(&image, compression).expect("manifest");
            assert_eq!(manifest.media_type, Some(MediaType::OciManifest));
            assert_eq!(manifest.layers[0].media_type, MediaType::oci_layer(compression));
            assert!(store.has_blob(&manifest.layers[0].digest) && store.has_blob(&manifest.config.digest));
            assert!(store.validate(&image).expect("image").is_empty());
            let before = store.contents();
            assert_eq!(store.manifest_for(&image, compression).expect("manifest"), manifest);
            assert_eq!(store.contents(), before);
        }
    }

    #[test]
    fn a_received_manifest_is_used_as_long_as_its_blobs_are_here() {
        let store = TestStore::new();
        let tar = [0; 1024];
        let gzip = store.put_blob(MediaType::DockerLayerGzip, &gzip(&tar)).expect("blob");
        let layer = store.add_blob_layer(DiffId(Digest::of(&tar)), gzip.clone()).expect("layer");
        let image = store.add_image_on(&[layer.id().clone()]);
        let config = store.image(&image).expect("image").config_descriptor;
        let absent = Descriptor::of(MediaType::DockerLayerGzip, b"absent");
        for layer in [absent, gzip.clone()] {
            let mut received = Manifest::oci(config.clone(), vec![layer]);
            received.media_type = Some(MediaType::DockerManifest);
            let bytes = serde_json::to_vec(&received).expect("JSON");
            let descriptor = store.put_blob(MediaType::DockerManifest, &bytes).expect("blob");
            store.add_manifest(&image, descriptor).expect("manifest");
        }
        let manifest = store.manifest_for(&image, Compression::Zstd).expect("manifest");
        assert_eq!((manifest.media_type.clone(), &manifest.layers), (Some(MediaType::DockerManifest), &vec![gzip]));
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut encoder, bytes).expect("gzip");
        encoder.finish().expect("gzip")
    }
}
