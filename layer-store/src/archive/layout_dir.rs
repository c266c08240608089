//! One image out of an OCI layout that is a directory (image-spec `image-layout.md`): only its own blobs are read.
//!
//! [`load`](super::load()) reads whole archives; this takes what a name, a digest or a platform picks.

use std::io;
use std::path::Path;

use super::ArchiveProblem;
use super::oci_layout::{IMAGE_NAME, INDEX, LAYOUT, REF_NAME, blob_name};
use crate::blob::DOCUMENT_LIMIT;
use crate::error::{Error, Result};
use crate::oci::{Descriptor, Digest, ImageConfig, ImageId, Index, Manifest, ManifestKind, Platform, Raw};
use crate::root::Root;
use crate::store::Store;

/// Indexes in indexes in indexes… end here.
const MAX_DEPTH: usize = 4;

/// What of a layout is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LayoutPick {
    /// The document with this digest.
    Digest(Digest),
    /// The entry of the index with this name.
    Tag(String),
    /// The only image, or the one tagged `latest`.
    Any,
}

/// Adds the image for `platform` that `pick` names in the layout `dir` to the store. It gets no name.
///
/// # Errors
/// [`Error::Archive`] if the layout is damaged or has no such image; or the file system refuses.
pub fn image_from_layout(store: &Store, dir: &Path, (pick, platform): (&LayoutPick, &Platform)) -> Result<ImageId> {
    let layout = Layout { store, root: Root::open(dir)? };
    layout.document(Path::new(LAYOUT), LAYOUT)?;
    let index: Index = layout.parse(&layout.document(Path::new(INDEX), "the layout")?, INDEX)?;
    let top = layout.pick(&index, pick)?;
    let manifest = layout.manifest(&top, platform, 0)?.ok_or_else(|| missing(&format!("an image for `{platform}`")))?;
    layout.add(&manifest)
}

struct Layout<'a> {
    store: &'a Store,
    root: Root,
}

impl Layout<'_> {
    fn pick(&self, index: &Index, pick: &LayoutPick) -> Result<Descriptor> {
        let named = |entry: &&Descriptor, tag: &str| {
            let name = |key: &str| entry.annotations.get(key).map(String::as_str);
            let is_tag = |name: &str| name == tag || name.rsplit_once(':').is_some_and(|(_, last)| last == tag);
            name(REF_NAME).is_some_and(is_tag) || name(IMAGE_NAME).is_some_and(is_tag)
        };
        let found = match pick {
            LayoutPick::Digest(digest) => {
                let listed = index.manifests.iter().find(|entry| entry.digest == *digest).cloned();
                return listed.map_or_else(|| self.unlisted(digest), Ok);
            }
            LayoutPick::Tag(tag) => index.manifests.iter().find(|entry| named(entry, tag)),
            LayoutPick::Any => match &index.manifests[..] {
                [only] => Some(only),
                several => several.iter().find(|entry| named(entry, "latest")),
            },
        };
        found.cloned().ok_or_else(|| match pick {
            LayoutPick::Tag(tag) => missing(&format!("an image with the tag `{tag}`")),
            _ => missing("one image alone, or one with the tag `latest`"),
        })
    }

    /// A document that the index does not list itself, such as the manifest of one platform.
    fn unlisted(&self, digest: &Digest) -> Result<Descriptor> {
        let media_type = crate::oci::MediaType::OciManifest;
        let probe = Descriptor::new(media_type, *digest, 0);
        let bytes = self.document(Path::new(&blob_name(&probe)), INDEX)?;
        Ok(Descriptor { size: bytes.len() as u64, ..probe })
    }

    /// The manifest for the platform that `entry` leads to.
    fn manifest(&self, entry: &Descriptor, platform: &Platform, depth: usize) -> Result<Option<Descriptor>> {
        let bytes = self.blob(entry)?;
        let name = blob_name(entry);
        match ManifestKind::detect(&entry.media_type, &bytes) {
            Some(ManifestKind::Index) if depth < MAX_DEPTH => {
                let index: Index = self.parse(&bytes, &name)?;
                let chosen = index.select(platform).or(match &index.manifests[..] {
                    [only] if only.platform.is_none() => Some(only),
                    _ => None,
                });
                chosen.map_or(Ok(None), |chosen| self.manifest(chosen, platform, depth + 1))
            }
            Some(ManifestKind::Manifest) => {
                let manifest: Manifest = self.parse(&bytes, &name)?;
                let config: ImageConfig = self.parse(&self.blob(&manifest.config)?, &blob_name(&manifest.config))?;
                let media_type = manifest.media_type.clone().unwrap_or(entry.media_type.clone());
                let found = Descriptor::new(media_type, entry.digest, bytes.len() as u64);
                Ok(config.platform().serves(platform).then_some(found))
            }
            _ => Err(ArchiveProblem::UnknownKind { name, kind: entry.media_type.to_string() }.into()),
        }
    }

    fn add(&self, descriptor: &Descriptor) -> Result<ImageId> {
        let bytes = self.blob(descriptor)?;
        let manifest: Manifest = self.parse(&bytes, &blob_name(descriptor))?;
        let config: Raw<ImageConfig> = Raw::parse(self.blob(&manifest.config)?).map_err(|source| Error::Malformed {
            what: "config",
            digest: manifest.config.digest,
            source,
        })?;
        let mut layers = Vec::new();
        for (blob, diff_id) in manifest.layers.iter().zip(&config.rootfs.diff_ids) {
            self.copy(blob)?;
            let plain = Descriptor::new(blob.media_type.clone(), blob.digest, blob.size);
            layers.push(self.store.add_blob_layer(*diff_id, plain)?.id().clone());
        }
        self.store.put_blob(descriptor.media_type.clone(), &bytes)?;
        self.store.add_image(&config, manifest.config.media_type.clone(), &layers, Some(descriptor.clone()))
    }

    /// Makes a blob of the layout one of the store, verified.
    fn copy(&self, blob: &Descriptor) -> Result<()> {
        if self.store.has_blob(&blob.digest) {
            return Ok(());
        }
        let path = blob_name(blob);
        let mut file = self.root.open_file(Path::new(&path))?;
        let mut writer = self.store.blob_writer()?;
        io::copy(&mut file, &mut writer).map_err(Error::stream("copy the layer"))?;
        writer.commit_expecting(blob)
    }

    /// A small blob, verified.
    fn blob(&self, descriptor: &Descriptor) -> Result<Vec<u8>> {
        let bytes = self.document(Path::new(&blob_name(descriptor)), INDEX)?;
        let actual = Digest::of(&bytes);
        match actual == descriptor.digest {
            true => Ok(bytes),
            false => Err(Error::DigestMismatch { expected: descriptor.digest, actual }),
        }
    }

    fn document(&self, path: &Path, wanted_by: &str) -> Result<Vec<u8>> {
        use std::io::Read;
        let name = path.display().to_string();
        if self.root.stat(path)?.is_none() {
            return Err(ArchiveProblem::MissingMember { name, wanted_by: wanted_by.to_owned() }.into());
        }
        let mut bytes = Vec::new();
        let read = self.root.open_file(path)?.take(DOCUMENT_LIMIT).read_to_end(&mut bytes);
        read.map_err(Error::io("read", path))?;
        Ok(bytes)
    }

    fn parse<T: serde::de::DeserializeOwned>(&self, bytes: &[u8], name: &str) -> Result<T> {
        serde_json::from_slice(bytes)
            .map_err(|source| ArchiveProblem::Malformed { name: name.to_owned(), source }.into())
    }
}

fn missing(what: &str) -> Error {
    ArchiveProblem::MissingMember { name: what.to_owned(), wanted_by: "the layout's index".to_owned() }.into()
}
