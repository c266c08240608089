//! Loading: every claim of the archive is checked before anything of it enters the store.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::sync::Mutex;
use std::thread;

use super::ArchiveProblem;
use super::candidate::{Candidate, CandidateLayer, Contents, Group, contents};
use super::event::{Event, Progress};
use super::input::decompressed;
use super::spool::{Member, Spool};
use crate::durable;
use crate::error::{Error, Result};
use crate::layer::HashSink;
use crate::layer_id::LayerId;
use crate::leases::Leased;
use crate::oci::{Compression, Descriptor, Digest, ImageId, MediaType, Reference};
use crate::refs::RefTarget;
use crate::store::Store;

/// An image that was loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// The image.
    pub id: ImageId,
    /// The names that the archive gave it.
    pub references: Vec<Reference>,
}

/// What was learnt of a layer by verifying it.
#[derive(Debug, Clone, Copy)]
struct Verified {
    /// How its bytes are compressed, told by themselves.
    compression: Compression,
    /// Size of its content in bytes.
    size: u64,
}

/// Adds all images of an archive to the store: a docker-archive, an OCI layout in a tar, or both in one, plain or in
/// gzip or zstd. Reads to the end of `input`, which may be a pipe; memory does not grow with the archive.
///
/// # Errors
/// [`Error::Archive`] if the archive is damaged, incomplete, or none; the store is as it was then. Or the file system
/// refuses.
pub fn load(store: &Store, input: impl Read, progress: Progress<'_>) -> Result<Vec<Loaded>> {
    let spool = Spool::read(store, input, progress)?;
    let contents = contents(&spool)?;
    let verified = verify(&contents.candidates, progress)?;
    let loading = Loading { store, contents: &contents, verified };
    let added = contents.candidates.iter().map(|candidate| loading.add(candidate)).collect::<Result<Vec<_>>>()?;
    for group in &contents.groups {
        loading.name_group(group)?;
    }
    let added = added.into_iter().enumerate().filter(|(place, _)| !contents.is_in_group(*place));
    Ok(added.map(|(_, loaded)| loaded).collect())
}

/// What is added once it is verified.
struct Loading<'a> {
    store: &'a Store,
    contents: &'a Contents,
    verified: BTreeMap<Digest, Verified>,
}

/// Verifies each layer once, several at a time.
fn verify(candidates: &[Candidate], progress: Progress<'_>) -> Result<BTreeMap<Digest, Verified>> {
    let layers = candidates.iter().flat_map(|candidate| &candidate.layers);
    let unique: BTreeMap<_, _> = layers.map(|layer| ((layer.member.digest, layer.diff_id), layer)).collect();
    let waiting = Mutex::new(unique.into_values());
    let next = || waiting.lock().expect("no thread panics with the lock").next();
    let work = || -> Result<Vec<(Digest, Verified)>> {
        let mut done = Vec::new();
        while let Some(layer) = next() {
            done.push((layer.member.digest, verify_layer(layer)?));
            progress(Event::Verified { name: &layer.member.name });
        }
        Ok(done)
    };
    let threads = thread::available_parallelism().map_or(1, usize::from).min(8);
    let mut verified = BTreeMap::new();
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        for worker in workers {
            let done = worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            verified.extend(done?);
        }
        Ok(verified)
    })
}

fn verify_layer(layer: &CandidateLayer) -> Result<Verified> {
    let name = || layer.member.name.clone();
    if let Some(media_type) = &layer.media_type
        && media_type.layer_compression().is_none()
    {
        return Err(ArchiveProblem::UnknownKind { name: name(), kind: media_type.to_string() }.into());
    }
    let mut content = match decompressed(layer.member.open()?) {
        Err(Error::Archive(ArchiveProblem::Compression(kind))) => {
            return Err(ArchiveProblem::UnknownKind { name: name(), kind: format!("layer in {kind}") }.into());
        }
        result => result?,
    };
    let compression = content.compression();
    let (digest, size) = match compression {
        Compression::None => (layer.member.digest, layer.member.size),
        _ => {
            let mut out = HashSink::new();
            let copied = io::copy(&mut content, &mut out);
            copied.map_err(|source| ArchiveProblem::DamagedLayer { name: name(), source })?;
            out.finish()
        }
    };
    let expected = *layer.diff_id.digest();
    if digest != expected {
        return Err(ArchiveProblem::WrongDiffId { name: name(), expected, found: digest }.into());
    }
    Ok(Verified { compression, size })
}

impl Loading<'_> {
    /// Adds a verified image; its names come last, but for those of a group.
    fn add(&self, candidate: &Candidate) -> Result<Loaded> {
        loop {
            let (id, manifest) = self.add_image(candidate)?;
            let mut own = candidate.names.iter().filter(|name| !self.contents.is_of_group(name));
            match own.try_for_each(|name| self.store.tag(name, &id, manifest.clone())) {
                // Another process removed the same image just now.
                Err(Error::ImageNotFound { .. }) => {}
                result => return result.map(|()| Loaded { id, references: candidate.names.clone() }),
            }
        }
    }

    fn add_image(&self, candidate: &Candidate) -> Result<(ImageId, Option<Descriptor>)> {
        let mut layers = Vec::new();
        for layer in &candidate.layers {
            layers.push(add_layer(self.store, layer, self.verified[&layer.member.digest])?);
        }
        let manifest = match &candidate.manifest {
            Some((descriptor, bytes)) => Some(self.store.put_blob(descriptor.media_type.clone(), bytes)?),
            None => None,
        };
        let config_type = candidate.config_type.clone();
        let id = self.store.add_image(&candidate.config, config_type, &layers, manifest.clone())?;
        Ok((id, manifest))
    }

    /// Gives the images of a group their names.
    fn name_group(&self, group: &Group) -> Result<()> {
        let (index, bytes) = &group.index;
        let index = self.store.put_blob(index.media_type.clone(), bytes)?;
        loop {
            let image = |place: &usize| Ok(self.add_image(&self.contents.candidates[*place])?.0);
            let platforms = group.images.iter().map(image).collect::<Result<Vec<_>>>()?;
            let target = RefTarget { image: image(&group.first)?, manifest: Some(index.clone()), platforms };
            match group.names.iter().try_for_each(|name| self.store.tag_as(name, target.clone())) {
                // Another process removed one of them just now.
                Err(Error::ImageNotFound { .. }) => {}
                result => return result,
            }
        }
    }
}

/// Adds a layer's blob, unless the layer is here already and no manifest asks for just this blob.
fn add_layer(store: &Store, layer: &CandidateLayer, verified: Verified) -> Result<LayerId> {
    if layer.media_type.is_none()
        && let Some(known) = store.layer_by_diff_id(&layer.diff_id)?
    {
        return Ok(known.id().clone());
    }
    put_member(store, &layer.member)?;
    let media_type = layer.media_type.clone().unwrap_or_else(|| docker_layer(verified.compression));
    let blob = Descriptor::new(media_type, layer.member.digest, layer.member.size);
    let known = store.add_blob_layer(layer.diff_id, blob)?;
    known.update(|entry| entry.size = Some(verified.size))?;
    Ok(known.id().clone())
}

fn docker_layer(compression: Compression) -> MediaType {
    match compression {
        Compression::None => MediaType::DockerLayer,
        Compression::Gzip => MediaType::DockerLayerGzip,
        Compression::Zstd => MediaType::DockerLayerZstd,
    }
}

/// Makes a member a blob.
fn put_member(store: &Store, member: &Member) -> Result<()> {
    store.leases().take(Leased::blob(&member.digest))?;
    let target = store.blob_path(&member.digest);
    if target.exists() {
        return Ok(());
    }
    member.open()?.sync_all().map_err(Error::io("write", &target))?;
    fs::rename(&member.path, &target).map_err(Error::io("write", &target))?;
    durable::sync_parent(&target)
}
