//! The table of contents of a docker-archive: `manifest.json` (Docker image spec 1.2, "combined image JSON").
//!
//! Also newer ones, whose members are those of an OCI layout.

use serde::{Deserialize, Serialize};

use super::candidate::Candidate;
use super::spool::{Member, Spool};
use crate::error::Result;
use crate::oci::{Digest, MediaType, Reference};

pub(super) const MANIFEST: &str = "manifest.json";

/// An image in `manifest.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Item {
    /// Member that is the config.
    pub(super) config: String,
    /// Names with tags; `null` if there are none.
    pub(super) repo_tags: Option<Vec<String>>,
    /// Members that are the layers, lowest first.
    #[serde(default)]
    pub(super) layers: Option<Vec<String>>,
}

/// Adds what the table lists to `found`; to an image that is there already its names only.
pub(super) fn candidates(spool: &Spool, found: &mut Vec<Candidate>) -> Result<()> {
    let items: Vec<Item> = spool.require(MANIFEST, "the archive")?.parse()?;
    for item in items {
        let config = spool.require(&item.config, MANIFEST)?;
        check_name(config)?;
        let names = names(&item)?;
        if let Some(known) = found.iter_mut().find(|known| known.config.digest() == config.digest) {
            known.add_names(names);
            continue;
        }
        let layer = |name: &String| Ok((spool.require(name, MANIFEST)?.clone(), None));
        let layers: Result<Vec<_>> = item.layers.iter().flatten().map(layer).collect();
        let mut candidate = Candidate::new(config, MediaType::DockerConfig, layers?)?;
        candidate.add_names(names);
        found.push(candidate);
    }
    Ok(())
}

fn names(item: &Item) -> Result<Vec<Reference>> {
    let parse = |text: &String| Ok(text.parse::<Reference>()?);
    item.repo_tags.iter().flatten().map(parse).collect()
}

/// Most programs name configs by their digest: `<hex>.json`, `sha256:<hex>` or `blobs/sha256/<hex>`.
fn check_name(config: &Member) -> Result<()> {
    let last = config.name.rsplit('/').next().unwrap_or(&config.name);
    let digits = last.strip_suffix(".json").unwrap_or(last);
    let digest = Digest::from_hex(digits.strip_prefix("sha256:").unwrap_or(digits));
    digest.map_or(Ok(()), |digest| config.check(&digest, None))
}
