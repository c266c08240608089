//! The list of manifests that refer to another one (distribution-spec, end-12).

use dhow_layer_store::oci::{Descriptor, Digest, Index};

use super::answer::{Answer, Refusal};
use super::handler::{Asked, Registry, json, on_disk, set_headers};
use super::manifests::{self, Document};
use super::storage::Storage;

/// Lists them as an index; of a subject that nobody knows an empty one.
pub(crate) async fn list(registry: &Registry, asked: &Asked, (name, subject): (String, Digest)) -> Answer {
    let wanted = asked.query("artifactType").map(str::to_owned);
    let (storage, filter) = (registry.storage.clone(), wanted.clone());
    let found = on_disk(move || {
        let mut found = Vec::new();
        for digest in storage.referrers(&name, &subject)? {
            found.extend(describe(&storage, &name, &digest)?);
        }
        found.retain(|entry: &Descriptor| filter.is_none() || entry.artifact_type == filter);
        Ok(found)
    })
    .await?;
    let index = Index::oci(found);
    let media_type = "application/vnd.oci.image.index.v1+json";
    let mut response = json(serde_json::to_vec(&index).map_err(std::io::Error::from)?, media_type);
    if wanted.is_some() {
        set_headers(&mut response, &[("oci-filters-applied", "artifactType".to_owned())]);
    }
    Ok(response)
}

fn describe(storage: &Storage, name: &str, digest: &Digest) -> Result<Option<Descriptor>, Refusal> {
    let Some(bytes) = manifests::read(storage, name, digest)? else { return Ok(None) };
    let document: Document = serde_json::from_slice(&bytes).map_err(std::io::Error::from)?;
    let mut descriptor = Descriptor::of(manifests::media_type(&bytes), &bytes);
    let config = document.config.map(|config| config.media_type.as_str().to_owned());
    descriptor.artifact_type = document.artifact_type.or(config);
    descriptor.annotations = document.annotations.unwrap_or_default();
    Ok(Some(descriptor))
}
