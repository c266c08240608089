//! Saving: one tar that is a docker-archive and an OCI layout at once, written from front to back.
//!
//! The same images in the same state give the same bytes: no times, no owners, blobs in the order of their digests.

use std::collections::BTreeMap;
use std::io::{self, BufWriter, Read, Write};

use super::docker::{Item, MANIFEST};
use super::event::{Event, Progress};
use super::oci_layout::{IMAGE_NAME, INDEX, LAYOUT, LAYOUT_CONTENT, REF_NAME, blob_name};
use crate::blob::BlobReader;
use crate::error::{Error, Result};
use crate::image::Image;
use crate::image_index::ImageIndex;
use crate::layer_entry::Layer;
use crate::oci::{Compression, Descriptor, Digest, ImageId, Index, MediaType, Platform, Reference};
use crate::packing::Dialect;
use crate::portable::{Portable, blob_of};
use crate::store::Store;
use crate::tarball::{EntryKind, TarEntry, TarWriter};

const BUFFER: usize = 256 << 10;
/// What can go wrong with the output, in the words of [`Error::Stream`].
const WRITE: &str = "write the archive";

/// Where a blob of the archive comes from.
#[derive(Debug)]
enum Source {
    /// It is small and was just made.
    Bytes(Vec<u8>),
    /// The store has it.
    Blob,
    /// It is the tar of a layer that has no blob.
    Layer(Layer),
}

/// All that goes into an archive.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// The entries of `index.json`.
    pub(super) index: Vec<Descriptor>,
    /// The entries of `manifest.json`; it is left out if there are none.
    pub(super) items: Vec<Item>,
    blobs: BTreeMap<Digest, (Descriptor, Source)>,
}

/// What is to be saved under some names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selected {
    /// The names.
    pub names: Vec<Reference>,
    /// The image; of a name for several platforms all of them, in the order of their index.
    pub images: Vec<ImageId>,
    /// The index that they are known by.
    pub index: Option<Descriptor>,
}

/// Writes images with their names to one archive; several that have one name go below an index. Layers go as the blobs that
/// the images came with, else as plain tars; each blob once. Memory does not grow with the images.
///
/// # Errors
/// An image or a blob of it is not in the store or is damaged; or `out` refuses.
pub fn save(store: &Store, images: &[Selected], out: &mut dyn Write, progress: Progress<'_>) -> Result<()> {
    let mut plan = Plan::default();
    for selected in images {
        match selected.images[..] {
            [image] => plan.add(store, &store.image(&image)?, &selected.names)?,
            _ => plan.add_images(store, selected)?,
        }
    }
    plan.write(store, out, progress)
}

impl Plan {
    pub(super) fn write(&self, store: &Store, out: &mut dyn Write, progress: Progress<'_>) -> Result<()> {
        let mut tar = TarWriter::new(BufWriter::with_capacity(BUFFER, out));
        append(&mut tar, LAYOUT, LAYOUT_CONTENT)?;
        append(&mut tar, INDEX, &json(&Index::oci(self.index.clone()))?)?;
        if !self.items.is_empty() {
            append(&mut tar, MANIFEST, &json(&self.items)?)?;
        }
        for (descriptor, source) in self.blobs.values() {
            append_blob(store, &mut tar, (descriptor, source), progress)?;
        }
        tar.finish().and_then(|mut buffered| buffered.flush()).map_err(Error::stream(WRITE))
    }

    fn add(&mut self, store: &Store, image: &Image, names: &[Reference]) -> Result<()> {
        let portable = self.portable(store, image)?;
        self.add_portable(&portable, image, names);
        Ok(())
    }

    fn portable(&mut self, store: &Store, image: &Image) -> Result<Portable> {
        match Portable::received(store, image)? {
            Some(received) => Ok(received),
            None => self.make(store, image),
        }
    }

    /// Adds images below the index that they have, or below a new one.
    fn add_images(&mut self, store: &Store, selected: &Selected) -> Result<()> {
        let known = match &selected.index {
            Some(index) => store.whole_index(index, &selected.images)?,
            None => None,
        };
        if let Some(index) = known.filter(|index| index.is_here(store)) {
            return self.add_index(store, &index, (&selected.names, &BTreeMap::new()));
        }
        let (mut entries, mut images) = (Vec::new(), Vec::new());
        for id in &selected.images {
            let manifest = self.portable(store, &store.image(id)?)?.manifest;
            entries.push(store.entry_of(id, &manifest)?);
            images.push((*id, manifest));
        }
        let index = ImageIndex::create(entries, images, (Dialect::Oci, BTreeMap::new()))?;
        self.add_index(store, &index, (&selected.names, &BTreeMap::new()))
    }

    /// Adds an index with all that it lists; `annotations` are those of its own entry. Readers that know no indexes get the
    /// image for this machine, else the first.
    pub(super) fn add_index(
        &mut self,
        store: &Store,
        index: &ImageIndex,
        (names, annotations): (&[Reference], &BTreeMap<String, String>),
    ) -> Result<()> {
        let mut readable: Option<Portable> = None;
        for (id, manifest) in &index.images {
            let media_type = manifest.media_type.clone().unwrap_or(MediaType::OciManifest);
            let descriptor = Descriptor::of(media_type, manifest.bytes());
            let portable = Portable { descriptor, manifest: manifest.clone() };
            self.add_blobs(&portable);
            let is_own = store.image(id)?.config.platform().serves(&Platform::host());
            if readable.is_none() || is_own {
                readable = Some(portable);
            }
        }
        let descriptor = Descriptor { annotations: annotations.clone(), ..index.descriptor() };
        let bytes = index.document.bytes().to_vec();
        self.blobs.insert(descriptor.digest, (descriptor.clone(), Source::Bytes(bytes)));
        self.add_to_index(&descriptor, names);
        readable.into_iter().for_each(|portable| self.add_item(&portable, names));
        Ok(())
    }

    /// Adds an image with the manifest that it is to have.
    pub(super) fn add_portable(&mut self, portable: &Portable, image: &Image, names: &[Reference]) {
        self.add_blobs(portable);
        self.add_to_index(&Descriptor { platform: platform(image), ..portable.descriptor.clone() }, names);
        self.add_item(portable, names);
    }

    fn add_blobs(&mut self, portable: &Portable) {
        for blob in portable.manifest.layers.iter().chain([&portable.manifest.config]) {
            self.blobs.entry(blob.digest).or_insert_with(|| (blob.clone(), Source::Blob));
        }
        let (descriptor, bytes) = (portable.descriptor.clone(), portable.manifest.bytes().to_vec());
        self.blobs.insert(descriptor.digest, (descriptor, Source::Bytes(bytes)));
    }

    /// A manifest of the blobs that the layers have; plain tars for those that have none.
    fn make(&mut self, store: &Store, image: &Image) -> Result<Portable> {
        let mut layers = Vec::new();
        for id in &image.layers {
            let layer = store.layer(id)?;
            if let Some(blob) = blob_of(&layer, &[Compression::Gzip, Compression::Zstd, Compression::None])? {
                layers.push(blob);
                continue;
            }
            let diff_id = layer.diff_id()?;
            let blob = Descriptor::new(MediaType::OciLayer, *diff_id.digest(), layer.size()?);
            layers.push(blob.clone());
            self.blobs.insert(blob.digest, (blob, Source::Layer(layer)));
        }
        Portable::made(image, layers)
    }

    /// One entry for each name, in the way of Docker 25 and later.
    fn add_to_index(&mut self, manifest: &Descriptor, names: &[Reference]) {
        let tagged = names.iter().filter_map(|name| Some((name.to_string(), name.tag()?.to_owned())));
        let before = self.index.len();
        for (name, tag) in tagged {
            let mut entry = manifest.clone();
            entry.annotations.insert(IMAGE_NAME.to_owned(), name);
            entry.annotations.insert(REF_NAME.to_owned(), tag);
            self.index.push(entry);
        }
        if self.index.len() == before {
            self.index.push(manifest.clone());
        }
    }

    fn add_item(&mut self, portable: &Portable, names: &[Reference]) {
        let tagged: Vec<_> = names.iter().filter(|name| name.digest().is_none()).map(Reference::familiar).collect();
        let config = blob_name(&portable.manifest.config);
        if let Some(item) = self.items.iter_mut().find(|item| item.config == config) {
            item.repo_tags.get_or_insert_default().extend(tagged);
            return;
        }
        self.items.push(Item {
            config,
            repo_tags: (!tagged.is_empty()).then_some(tagged),
            layers: Some(portable.manifest.layers.iter().map(blob_name).collect()),
        });
    }
}

/// The platform, for readers that choose by it.
fn platform(image: &Image) -> Option<Platform> {
    let platform = image.config.platform();
    (!platform.os.is_empty() && !platform.architecture.is_empty()).then_some(platform)
}

pub(super) fn json<T: serde::Serialize>(value: &T) -> Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(|source| Error::Encode { what: "the archive's table of contents", source })
}

fn append<W: Write>(tar: &mut TarWriter<W>, name: &str, bytes: &[u8]) -> Result<()> {
    let entry = entry(name, bytes.len() as u64);
    tar.append(&entry, &mut &*bytes).map_err(Error::stream(WRITE))
}

fn entry(name: &str, size: u64) -> TarEntry {
    let mut entry = TarEntry::new(name, EntryKind::Regular, 0o644);
    entry.size = size;
    entry
}

fn append_blob<W: Write>(
    store: &Store,
    tar: &mut TarWriter<W>,
    (descriptor, source): (&Descriptor, &Source),
    progress: Progress<'_>,
) -> Result<()> {
    let name = &blob_name(descriptor);
    let bytes: Box<dyn Read> = match source {
        Source::Bytes(bytes) => return append(tar, name, bytes),
        Source::Blob => Box::new(store.open_blob(descriptor)?),
        Source::Layer(layer) => Box::new(BlobReader::new(layer.tar()?, descriptor)),
    };
    progress(Event::Started { name, size: descriptor.size });
    let mut bytes = Counted { inner: bytes, advanced: &|bytes| progress(Event::Advanced { name, bytes }) };
    tar.append(&entry(name, descriptor.size), &mut bytes).map_err(Error::stream(WRITE))?;
    progress(Event::Done { name });
    Ok(())
}

/// Tells how much was read.
struct Counted<'a> {
    inner: Box<dyn Read>,
    advanced: &'a dyn Fn(u64),
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        (self.advanced)(count as u64);
        Ok(count)
    }
}
