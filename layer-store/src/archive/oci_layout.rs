//! The table of contents of an OCI layout: `index.json` (image-spec `image-layout.md`).
//!
//! Members that nothing refers to are passed over, as the specification asks for.

use serde::Deserialize;

use super::ArchiveProblem;
use super::candidate::{Candidate, Contents, Group};
use super::spool::{Member, Spool};
use crate::error::Result;
use crate::oci::{Descriptor, ImageId, Index, Manifest, ManifestKind, Platform, Reference};

pub(super) const LAYOUT: &str = "oci-layout";
pub(super) const LAYOUT_CONTENT: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;
pub(super) const INDEX: &str = "index.json";
/// Annotation with a whole reference, as containerd and Docker write it.
pub(super) const IMAGE_NAME: &str = "io.containerd.image.name";
/// Annotation with a tag, or, by some programs, with a whole reference.
pub(super) const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// Indexes in indexes in indexes… end here.
const MAX_DEPTH: usize = 4;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Layout {
    image_layout_version: String,
}

/// Adds what the index lists to `found`.
pub(super) fn contents(spool: &Spool, found: &mut Contents) -> Result<()> {
    let layout = spool.require(LAYOUT, INDEX)?;
    let version = layout.parse::<Layout>()?.image_layout_version;
    if !version.starts_with("1.") {
        return Err(ArchiveProblem::UnknownKind { name: layout.name.clone(), kind: version }.into());
    }
    let index: Index = spool.require(INDEX, "the archive")?.parse()?;
    for entry in &index.manifests {
        let names = names(entry)?;
        let images = Walk { spool, found: &mut found.candidates }.document(entry, INDEX, 0)?;
        let Some(first) = choose(&images, &found.candidates) else { continue };
        found.candidates[first].add_names(names.clone());
        if images.len() > 1 {
            add_group(spool, (entry, Group { index: (entry.clone(), Vec::new()), images, first, names }), found)?;
        }
    }
    Ok(())
}

/// Adds a group, or its names to the one that is there.
fn add_group(spool: &Spool, (entry, mut group): (&Descriptor, Group), found: &mut Contents) -> Result<()> {
    if let Some(known) = found.groups.iter_mut().find(|known| known.index.0.digest == entry.digest) {
        known.names.append(&mut group.names);
        return Ok(());
    }
    let member = spool.require(&blob_name(entry), INDEX)?;
    group.index = (Descriptor::new(entry.media_type.clone(), entry.digest, member.size), member.read()?);
    found.groups.push(group);
    Ok(())
}

/// The path of the member that is the blob of `descriptor`.
pub(super) fn blob_name(descriptor: &Descriptor) -> String {
    format!("blobs/sha256/{}", descriptor.digest.hex())
}

/// Of the images that a name stands for, the one for this machine; else the first.
fn choose(images: &[usize], found: &[Candidate]) -> Option<usize> {
    let host = Platform::host();
    let serves = |image: &&usize| found[**image].config.platform().serves(&host);
    images.iter().find(serves).or(images.first()).copied()
}

fn names(entry: &Descriptor) -> Result<Vec<Reference>> {
    if let Some(name) = entry.annotations.get(IMAGE_NAME) {
        return Ok(vec![name.parse()?]);
    }
    // A bare word is a tag without a repository, which names nothing here.
    let whole = |name: &&String| name.contains(['/', ':']);
    entry.annotations.get(REF_NAME).filter(whole).map(|name| Ok(name.parse()?)).into_iter().collect()
}

/// A walk from an entry of the index down to images.
struct Walk<'a> {
    spool: &'a Spool,
    found: &'a mut Vec<Candidate>,
}

impl Walk<'_> {
    /// The images that `entry` stands for, as places in `found`.
    fn document(&mut self, entry: &Descriptor, wanted_by: &str, depth: usize) -> Result<Vec<usize>> {
        let member = self.spool.require(&blob_name(entry), wanted_by)?;
        member.check(&entry.digest, Some(entry.size))?;
        let unknown = || ArchiveProblem::UnknownKind { name: member.name.clone(), kind: entry.media_type.to_string() };
        match ManifestKind::detect(&entry.media_type, &member.read()?) {
            Some(ManifestKind::Index) if depth < MAX_DEPTH => self.index(member, depth),
            Some(ManifestKind::Manifest) => self.manifest(entry, member),
            _ => Err(unknown().into()),
        }
    }

    /// Members of an index may be for platforms that nobody saved.
    fn index(&mut self, member: &Member, depth: usize) -> Result<Vec<usize>> {
        let index: Index = member.parse()?;
        let mut images = Vec::new();
        let mut missing = None;
        for entry in &index.manifests {
            match self.document(entry, &member.name, depth + 1) {
                Err(crate::Error::Archive(problem @ ArchiveProblem::MissingMember { .. })) => missing = Some(problem),
                result => images.extend(result?),
            }
        }
        match missing {
            Some(problem) if images.is_empty() => Err(problem.into()),
            _ => Ok(images),
        }
    }

    /// An image; nothing for artifacts of another kind, such as attestations.
    fn manifest(&mut self, entry: &Descriptor, member: &Member) -> Result<Vec<usize>> {
        let manifest: Manifest = member.parse()?;
        let is_attestation = entry.platform.as_ref().is_some_and(|platform| platform.os == "unknown");
        if !manifest.config.media_type.is_config() || is_attestation {
            return Ok(Vec::new());
        }
        let id = ImageId(manifest.config.digest);
        if let Some(known) = self.found.iter().position(|known| known.config.digest() == *id.digest()) {
            return Ok(vec![known]);
        }
        let config = self.blob(&manifest.config, member)?;
        let layer = |layer: &Descriptor| Ok((self.blob(layer, member)?.clone(), Some(layer.media_type.clone())));
        let layers: Result<Vec<_>> = manifest.layers.iter().map(layer).collect();
        let mut candidate = Candidate::new(config, manifest.config.media_type.clone(), layers?)?;
        let media_type = manifest.media_type.clone().unwrap_or_else(|| entry.media_type.clone());
        candidate.manifest = Some((Descriptor::new(media_type, member.digest, member.size), member.read()?));
        self.found.push(candidate);
        Ok(vec![self.found.len() - 1])
    }

    fn blob(&self, descriptor: &Descriptor, wanted_by: &Member) -> Result<&Member> {
        let member = self.spool.require(&blob_name(descriptor), &wanted_by.name)?;
        member.check(&descriptor.digest, Some(descriptor.size))?;
        Ok(member)
    }
}
