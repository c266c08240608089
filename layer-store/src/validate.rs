//! Recomputes every claim that an image and the store make about it.
//!
//! Tests run this after each operation that makes an image. It changes nothing.

use std::io::{self, Read};

use crate::error::{Error, Result};
use crate::image::Image;
use crate::layer::{Decompressor, HashSink};
use crate::layer_entry::Layer;
use crate::oci::{Descriptor, Digest, ImageId, Manifest, Raw};
use crate::store::Store;

/// A claim that does not hold.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The config says that its root file system is made of something else than layers.
    #[error("the config has a root file system of type `{0}`, not `layers`")]
    RootFsType(String),
    /// The config lists another number of layers than the image has.
    #[error("the config lists `{listed}` layers, but the image has `{found}`")]
    LayerCount {
        /// By the config.
        listed: usize,
        /// By the store.
        found: usize,
    },
    /// The history does not tell of each layer.
    #[error("the history tells of `{told}` layers, but the image has `{found}`")]
    History {
        /// By the history: the entries that made a layer.
        told: usize,
        /// By the config.
        found: usize,
    },
    /// A layer cannot be read.
    #[error("layer `{layer}` cannot be read")]
    Layer {
        /// Which.
        layer: String,
        /// Why.
        #[source]
        source: Box<Error>,
    },
    /// A layer's content has another diff id.
    #[error("`{content}` should have diff id `{expected}`, but has `{found}`")]
    DiffId {
        /// Which content: a blob of the layer, or its unpacked files.
        content: String,
        /// By the config.
        expected: Digest,
        /// By the content.
        found: Digest,
    },
    /// A layer has another size than the store says.
    #[error("layer `{layer}` should have `{expected}` bytes, but has `{found}`")]
    Size {
        /// Which.
        layer: String,
        /// By the store.
        expected: u64,
        /// By the content.
        found: u64,
    },
    /// A manifest cannot be read.
    #[error("manifest `{manifest}` cannot be read")]
    Manifest {
        /// Which.
        manifest: Digest,
        /// Why.
        #[source]
        source: Box<Error>,
    },
    /// A manifest is of another image, or has other layers.
    #[error("manifest `{manifest}` does not fit the image: {reason}")]
    OtherManifest {
        /// Which.
        manifest: Digest,
        /// Where they differ.
        reason: &'static str,
    },
}

impl Store {
    /// Recomputes every claim of an image: the digests of its config, manifests and blobs, the diff id of each layer
    /// from each form in which the store has it, counts and sizes. What is not here makes no claim.
    ///
    /// # Errors
    /// The image cannot be read at all. Claims that do not hold are in the list.
    pub fn validate(&self, image: &ImageId) -> Result<Vec<Problem>> {
        let image = self.image(image)?;
        let mut problems = Vec::new();
        check_config(&image, &mut problems);
        for (id, diff_id) in image.layers.iter().zip(&image.config.rootfs.diff_ids) {
            let checked = self.layer(id).and_then(|layer| check_layer(&layer, *diff_id.digest(), &mut problems));
            checked.unwrap_or_else(|error| problems.push(unreadable(id.as_str(), error)));
        }
        for descriptor in &image.manifests {
            if self.has_blob(&descriptor.digest) {
                let checked = self.check_manifest(&image, descriptor, &mut problems);
                let unreadable = |error| Problem::Manifest { manifest: descriptor.digest, source: Box::new(error) };
                checked.unwrap_or_else(|error| problems.push(unreadable(error)));
            }
        }
        Ok(problems)
    }

    fn check_manifest(&self, image: &Image, descriptor: &Descriptor, problems: &mut Vec<Problem>) -> Result<()> {
        let malformed = |source| Error::Malformed { what: "manifest", digest: descriptor.digest, source };
        let manifest: Raw<Manifest> = Raw::parse(self.read_blob(descriptor)?).map_err(malformed)?;
        let mut other = |reason| problems.push(Problem::OtherManifest { manifest: descriptor.digest, reason });
        if manifest.config.digest != *image.id.digest() {
            other("it has another config");
        }
        if manifest.layers.len() != image.layers.len() {
            other("it has another number of layers");
        }
        for (blob, diff_id) in manifest.layers.iter().zip(&image.config.rootfs.diff_ids) {
            if self.has_blob(&blob.digest) {
                let (digest, _) = content_of(self.open_blob(blob)?)?;
                if digest != *diff_id.digest() {
                    other("a layer of it has another diff id");
                }
            }
        }
        Ok(())
    }
}

fn check_config(image: &Image, problems: &mut Vec<Problem>) {
    let rootfs = &image.config.rootfs;
    if rootfs.kind != "layers" {
        problems.push(Problem::RootFsType(rootfs.kind.clone()));
    }
    let listed = rootfs.diff_ids.len();
    if listed != image.layers.len() {
        problems.push(Problem::LayerCount { listed, found: image.layers.len() });
    }
    let told = image.config.history.iter().filter(|entry| !entry.empty_layer).count();
    // Images without any history are legal.
    if !image.config.history.is_empty() && told != listed {
        problems.push(Problem::History { told, found: listed });
    }
}

/// Checks each form in which the store has the layer.
fn check_layer(layer: &Layer, expected: Digest, problems: &mut Vec<Problem>) -> Result<()> {
    if !layer.has_content()? {
        return Ok(());
    }
    let blobs = layer.blobs()?;
    for blob in &blobs {
        let checked = layer.store().open_blob(blob).and_then(content_of);
        let result = checked.map(|content| compare(layer, &blob.digest.to_string(), expected, content));
        problems.extend(result.unwrap_or_else(|error| vec![unreadable(layer.id().as_str(), error)]));
    }
    if blobs.is_empty() {
        let content = content_of(layer.tar()?)?;
        problems.extend(compare(layer, layer.id().as_str(), expected, content));
    }
    Ok(())
}

fn compare(layer: &Layer, content: &str, expected: Digest, (digest, found): (Digest, u64)) -> Vec<Problem> {
    let mut problems = Vec::new();
    if digest != expected {
        problems.push(Problem::DiffId { content: content.to_owned(), expected, found: digest });
    }
    match layer.entry().map(|entry| entry.size) {
        Ok(Some(size)) if size != found => {
            problems.push(Problem::Size { layer: layer.id().to_string(), expected: size, found });
        }
        _ => {}
    }
    problems
}

/// Digest and size of the content without its compression.
fn content_of(bytes: impl Read) -> Result<(Digest, u64)> {
    let mut out = HashSink::new();
    let copied = Decompressor::new(bytes).and_then(|mut content| io::copy(&mut content, &mut out));
    copied.map_err(Error::stream("read a layer"))?;
    Ok(out.finish())
}

fn unreadable(layer: &str, source: Error) -> Problem {
    Problem::Layer { layer: layer.to_owned(), source: Box::new(source) }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use crate::oci::{Descriptor, DiffId, Manifest, MediaType};
    use crate::test_store::TestStore;

    /// A store with an image of one layer and a manifest of it.
    fn store() -> (TestStore, crate::oci::ImageId, Descriptor) {
        let store = TestStore::new();
        let blob = store.put_blob(MediaType::OciLayer, b"some tar").expect("blob");
        let layer = store.add_blob_layer(DiffId(blob.digest), blob.clone()).expect("layer");
        let image = store.add_image_on(&[layer.id().clone()]);
        let config = store.image(&image).expect("image").config_descriptor;
        let manifest = serde_json::to_vec(&Manifest::oci(config, vec![blob.clone()])).expect("JSON");
        let manifest = store.put_blob(MediaType::OciManifest, &manifest).expect("blob");
        store.add_manifest(&image, manifest).expect("manifest");
        (store, image, blob)
    }

    #[test]
    fn a_sound_image_has_no_problems() {
        let (store, image, _) = store();
        let problems = store.validate(&image).expect("image");
        assert!(problems.is_empty(), "{problems:?}");
    }

    #[test]
    fn each_lie_is_found() {
        let (store, image, blob) = store();
        let other = store.add_empty_image("other");
        let foreign = store.image(&image).expect("image").manifests[0].clone();
        store.add_manifest(&other, foreign).expect("manifest");
        let texts: Vec<_> = store.validate(&other).expect("image").iter().map(ToString::to_string).collect();
        assert_eq!(texts.len(), 2, "{texts:?}");
        assert!(texts[0].contains("another config") && texts[1].contains("number of layers"), "{texts:?}");

        fs::write(store.blob_path(&blob.digest), b"same tar").expect("damage");
        let problems = store.validate(&image).expect("image");
        // Seen through the layer, and through the manifest.
        assert_eq!(problems.len(), 2, "{problems:?}");

        fs::write(store.layer_path(&store.image(&image).expect("image").layers[0]).join("layer.json"), "{")
            .expect("damage");
        assert!(store.validate(&image).expect("image").len() >= 2);
    }
}
