//! The index of images for several platforms (image-spec `image-index.md`): made with the manifest of each, or as it was
//! received.

use std::collections::BTreeMap;

use crate::error::{Error, Result};
use crate::oci::{Descriptor, ImageId, Index, Manifest, MediaType, Raw};
use crate::packing::{Dialect, Packing};
use crate::store::Store;

/// How images for several platforms go out below one index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexPlan {
    /// The images, in order.
    pub entries: Vec<IndexEntry>,
    /// Annotations of the index.
    pub annotations: BTreeMap<String, String>,
}

/// One of the images of an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexEntry {
    /// The image.
    pub image: ImageId,
    /// How it is packed.
    pub packing: Packing,
    /// Annotations of its entry in the index.
    pub annotations: BTreeMap<String, String>,
}

/// An index whose manifests are known.
#[derive(Debug, Clone)]
pub struct ImageIndex {
    /// The document.
    pub document: Raw<Index>,
    /// The images with their manifests, in the order of the document.
    pub images: Vec<(ImageId, Raw<Manifest>)>,
}

impl IndexPlan {
    /// Images as they came, or in one form, without annotations.
    pub fn plain(images: &[ImageId]) -> Self {
        let entry =
            |image: &ImageId| IndexEntry { image: *image, packing: Packing::default(), annotations: BTreeMap::new() };
        Self { entries: images.iter().map(entry).collect(), annotations: BTreeMap::new() }
    }
}

impl ImageIndex {
    /// The index as a blob.
    pub fn descriptor(&self) -> Descriptor {
        let media_type = self.document.media_type.clone().unwrap_or(MediaType::OciIndex);
        Descriptor::of(media_type, self.document.bytes())
    }

    /// Whether the store has all blobs of all images.
    pub(crate) fn is_here(&self, store: &Store) -> bool {
        self.images.iter().flat_map(|(_, manifest)| &manifest.layers).all(|blob| store.has_blob(&blob.digest))
    }

    /// An index of `entries`, the descriptors of the manifests of `images`.
    pub(crate) fn create(
        entries: Vec<Descriptor>,
        images: Vec<(ImageId, Raw<Manifest>)>,
        (dialect, annotations): (Dialect, BTreeMap<String, String>),
    ) -> Result<Self> {
        let media_type = match dialect {
            Dialect::Oci => MediaType::OciIndex,
            Dialect::Docker => MediaType::DockerList,
        };
        let index = Index { media_type: Some(media_type), annotations, ..Index::oci(entries) };
        let document = Raw::create(index).map_err(|source| Error::Encode { what: "an index", source })?;
        Ok(Self { document, images })
    }
}

impl Store {
    /// The index of images that are packed as `plan` says; it is in the store then, and the manifests, as
    /// [`manifest_with`](Self::manifest_with) makes them.
    ///
    /// # Errors
    /// As of [`manifest_with`](Self::manifest_with).
    pub fn index_with(&self, plan: &IndexPlan) -> Result<ImageIndex> {
        let (mut entries, mut images) = (Vec::new(), Vec::new());
        for entry in &plan.entries {
            let manifest = self.manifest_with(&entry.image, &entry.packing)?;
            entries
                .push(Descriptor { annotations: entry.annotations.clone(), ..self.entry_of(&entry.image, &manifest)? });
            images.push((entry.image, manifest));
        }
        let dialect = plan.entries.first().map_or(Dialect::Oci, |entry| entry.packing.dialect);
        let made = ImageIndex::create(entries, images, (dialect, plan.annotations.clone()))?;
        self.put_blob(made.descriptor().media_type, made.document.bytes())?;
        Ok(made)
    }

    /// How an index lists the manifest of an image.
    pub(crate) fn entry_of(&self, image: &ImageId, manifest: &Raw<Manifest>) -> Result<Descriptor> {
        let media_type = manifest.media_type.clone().unwrap_or(MediaType::OciManifest);
        let platform = Some(self.image(image)?.config.platform());
        Ok(Descriptor { platform, ..Descriptor::of(media_type, manifest.bytes()) })
    }

    /// The index `descriptor`, if it is one of just these images, and the store has it and all that it lists, but for layers
    /// that were left in a registry.
    ///
    /// # Errors
    /// A blob is damaged, or the file system refuses.
    pub fn whole_index(&self, descriptor: &Descriptor, images: &[ImageId]) -> Result<Option<ImageIndex>> {
        if !descriptor.media_type.is_index() || !self.has_blob(&descriptor.digest) {
            return Ok(None);
        }
        let malformed = |source| Error::Malformed { what: "index", digest: descriptor.digest, source };
        let document: Raw<Index> = Raw::parse(self.read_blob(descriptor)?).map_err(malformed)?;
        if document.manifests.len() != images.len() {
            return Ok(None);
        }
        let mut found = Vec::new();
        for (entry, image) in document.manifests.iter().zip(images) {
            let Some(manifest) = self.whole_manifest(entry, image)? else { return Ok(None) };
            found.push((*image, manifest));
        }
        Ok(Some(ImageIndex { document, images: found }))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{ImageIndex, IndexPlan};
    use crate::import::{ImportOptions, import_dir};
    use crate::oci::{ImageId, MediaType};
    use crate::packing::Dialect;
    use crate::test_store::TestStore;

    fn image(store: &TestStore, platform: &str) -> ImageId {
        let tree = tempfile::tempdir().expect("directory");
        fs::write(tree.path().join("platform"), platform).expect("file");
        let platform = platform.parse().expect("a platform");
        import_dir(store, tree.path(), &ImportOptions { platform, ..ImportOptions::default() }).expect("import")
    }

    #[test]
    fn an_index_lists_its_images_in_order_and_is_found_again() {
        let store = TestStore::new();
        let images = ["linux/s390x", "linux/amd64"].map(|platform| image(&store, platform));
        let mut plan = IndexPlan::plain(&images);
        plan.annotations.insert("a".to_owned(), "b".to_owned());
        plan.entries[1].annotations.insert("c".to_owned(), "d".to_owned());
        plan.entries[1].packing.annotations.insert("e".to_owned(), "f".to_owned());
        let made = store.index_with(&plan).expect("index");
        assert_eq!(made.document.platforms(), ["linux/s390x", "linux/amd64"]);
        let (document, second) = (&made.document, &made.document.manifests[1]);
        assert_eq!((&document.annotations["a"], &second.annotations["c"]), (&"b".to_owned(), &"d".to_owned()));
        assert_eq!(made.images[1].1.annotations["e"], "f");
        assert!(made.images[0].1.annotations.is_empty());
        let again = store.index_with(&plan).expect("index");
        assert_eq!(again.document.bytes(), document.bytes());
        let whole = |images: &[ImageId]| -> Option<ImageIndex> {
            store.whole_index(&made.descriptor(), images).expect("looks")
        };
        assert_eq!(whole(&images).expect("whole").document.bytes(), document.bytes());
        assert!(whole(&images[..1]).is_none() && whole(&[images[1], images[0]]).is_none());
    }

    #[test]
    fn dockers_dialect_has_a_list() {
        let store = TestStore::new();
        let mut plan = IndexPlan::plain(&[image(&store, "linux/amd64")]);
        plan.entries[0].packing.dialect = Dialect::Docker;
        let made = store.index_with(&plan).expect("index");
        assert_eq!(made.descriptor().media_type, MediaType::DockerList);
        assert_eq!(made.document.manifests[0].media_type, MediaType::DockerManifest);
    }
}
