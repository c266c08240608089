//! An image that an archive claims to have: pieces to be verified, and then added.

use super::ArchiveProblem;
use super::spool::{Member, Spool};
use crate::error::Result;
use crate::oci::{Descriptor, DiffId, ImageConfig, MediaType, Raw, Reference};

/// A layer of a candidate.
#[derive(Debug, Clone)]
pub(super) struct CandidateLayer {
    /// The bytes, perhaps compressed.
    pub(super) member: Member,
    /// What a manifest says of the bytes; `None` if there is no manifest.
    pub(super) media_type: Option<MediaType>,
    /// What the config says of the content.
    pub(super) diff_id: DiffId,
}

/// An image that an archive claims to have.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) config: Raw<ImageConfig>,
    pub(super) config_type: MediaType,
    pub(super) layers: Vec<CandidateLayer>,
    /// The manifest and its bytes, if the archive is an OCI layout.
    pub(super) manifest: Option<(Descriptor, Vec<u8>)>,
    pub(super) names: Vec<Reference>,
}

/// Images for several platforms that an archive claims to have below one index.
#[derive(Debug)]
pub(super) struct Group {
    /// The index and its bytes.
    pub(super) index: (Descriptor, Vec<u8>),
    /// Their places among the candidates, in the order of the index.
    pub(super) images: Vec<usize>,
    /// The one that the names mean where no platform is asked for.
    pub(super) first: usize,
    pub(super) names: Vec<Reference>,
}

/// All that an archive claims to have.
#[derive(Debug, Default)]
pub(super) struct Contents {
    /// The images, each config once.
    pub(super) candidates: Vec<Candidate>,
    pub(super) groups: Vec<Group>,
}

impl Contents {
    /// Whether `name` is one of a group.
    pub(super) fn is_of_group(&self, name: &Reference) -> bool {
        self.groups.iter().any(|group| group.names.contains(name))
    }

    /// Whether the image is in a group that has a name, and has none of its own.
    pub(super) fn is_in_group(&self, place: usize) -> bool {
        let holds = |group: &Group| !group.names.is_empty() && group.images.contains(&place);
        self.candidates[place].names.is_empty() && self.groups.iter().any(holds)
    }
}

impl Candidate {
    /// An image of the config in `config`, and the layers that go with it.
    pub(super) fn new(
        config: &Member,
        config_type: MediaType,
        layers: Vec<(Member, Option<MediaType>)>,
    ) -> Result<Self> {
        let parsed: Raw<ImageConfig> = Raw::parse(config.read()?).map_err(|source| config.malformed(source))?;
        let (listed, found) = (parsed.rootfs.diff_ids.len(), layers.len());
        if listed != found {
            return Err(ArchiveProblem::LayerCount { config: config.name.clone(), listed, found }.into());
        }
        let with_diff_id = |((member, media_type), diff_id): ((Member, _), &DiffId)| CandidateLayer {
            member,
            media_type,
            diff_id: *diff_id,
        };
        let layers = layers.into_iter().zip(&parsed.rootfs.diff_ids).map(with_diff_id).collect();
        Ok(Self { config: parsed, config_type, layers, manifest: None, names: Vec::new() })
    }

    /// Gives the image further names.
    pub(super) fn add_names(&mut self, names: Vec<Reference>) {
        for name in names {
            if !self.names.contains(&name) {
                self.names.push(name);
            }
        }
    }
}

/// All that the archive claims to have, by either of its tables of contents.
pub(super) fn contents(spool: &Spool) -> Result<Contents> {
    let mut found = Contents::default();
    if spool.has("index.json") {
        super::oci_layout::contents(spool, &mut found)?;
    }
    if spool.has("manifest.json") {
        super::docker::candidates(spool, &mut found.candidates)?;
    } else if !spool.has("index.json") {
        let problem =
            if spool.has("repositories") { ArchiveProblem::BeforeManifests } else { ArchiveProblem::NotAnImage };
        return Err(problem.into());
    }
    if found.candidates.is_empty() { Err(ArchiveProblem::NoImage.into()) } else { Ok(found) }
}
