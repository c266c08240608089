//! Image manifests and indexes (image-spec `manifest.md`, `image-index.md`; Docker schema 2 has the same shape).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Descriptor, MediaType, Platform};

/// The manifest of one image: its config and its layers, lowest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// Always 2.
    pub schema_version: u32,
    /// The manifest's own media type; optional in OCI.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<MediaType>,
    /// Type of an artifact that is no image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// The image's config.
    pub config: Descriptor,
    /// The layers, lowest first.
    pub layers: Vec<Descriptor>,
    /// The manifest that this one is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Descriptor>,
    /// Free-form notes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

impl Manifest {
    /// An OCI manifest of a config and layers.
    pub fn oci(config: Descriptor, layers: Vec<Descriptor>) -> Self {
        Self {
            schema_version: 2,
            media_type: Some(MediaType::OciManifest),
            artifact_type: None,
            config,
            layers,
            subject: None,
            annotations: BTreeMap::new(),
        }
    }
}

/// A list of manifests, one for each platform.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    /// Always 2.
    pub schema_version: u32,
    /// The index's own media type; optional in OCI.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<MediaType>,
    /// The manifests, in order of preference.
    pub manifests: Vec<Descriptor>,
    /// Free-form notes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

impl Index {
    /// An OCI index of `manifests`.
    pub fn oci(manifests: Vec<Descriptor>) -> Self {
        Self { schema_version: 2, media_type: Some(MediaType::OciIndex), manifests, annotations: BTreeMap::new() }
    }

    /// The first manifest that serves `platform`; attestations (`unknown/unknown`) never do.
    pub fn select(&self, platform: &Platform) -> Option<&Descriptor> {
        self.manifests.iter().find(|entry| entry.platform.as_ref().is_some_and(|have| have.serves(platform)))
    }

    /// All platforms listed, for messages.
    pub fn platforms(&self) -> Vec<String> {
        self.manifests.iter().filter_map(|entry| entry.platform.as_ref()).map(ToString::to_string).collect()
    }
}

/// What a top-level document is, told by its media type or, without one, by its shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ManifestKind {
    /// The manifest of one image.
    Manifest,
    /// An index or manifest list.
    Index,
    /// Docker schema 1, which is refused.
    Schema1,
}

impl ManifestKind {
    /// Tells the kind of `bytes` whose received media type is `media_type`; `None` if it is none of them.
    pub fn detect(media_type: &MediaType, bytes: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Shape {
            schema_version: Option<u32>,
            media_type: Option<MediaType>,
            manifests: Option<serde::de::IgnoredAny>,
            layers: Option<serde::de::IgnoredAny>,
        }
        let shape: Shape = serde_json::from_slice(bytes).ok()?;
        if shape.schema_version == Some(1) {
            return Some(Self::Schema1);
        }
        let own = shape.media_type.as_ref().unwrap_or(media_type);
        if own.is_index() || (!own.is_manifest() && shape.manifests.is_some()) {
            Some(Self::Index)
        } else if own.is_manifest() || shape.layers.is_some() {
            Some(Self::Manifest)
        } else {
            None
        }
    }
}
