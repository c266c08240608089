//! Manifests: GET, HEAD, PUT and DELETE (distribution-spec, end-3, end-7 and end-9).

use axum::body::{Body, to_bytes};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use dhow_layer_store::oci::{Descriptor, Digest, ManifestKind, MediaType};
use serde::Deserialize;

use super::answer::{Answer, Code, Refusal};
use super::handler::{Asked, Registry, empty, json, on_disk, set_headers};
use super::route::{self, ManifestName};
use super::storage::{Kind, Storage};
use crate::repository::MAX_MANIFEST;

/// The parts of a manifest or index that this server looks at.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Document {
    schema_version: Option<u32>,
    pub(crate) media_type: Option<String>,
    pub(crate) artifact_type: Option<String>,
    pub(crate) config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
    manifests: Option<Vec<Descriptor>>,
    pub(crate) subject: Option<Descriptor>,
    #[serde(default)]
    pub(crate) annotations: Option<std::collections::BTreeMap<String, String>>,
}

/// Sends a manifest.
pub(crate) async fn get(registry: &Registry, asked: &Asked, (name, reference): (String, ManifestName)) -> Answer {
    let storage = registry.storage.clone();
    let (digest, bytes) = on_disk(move || {
        let digest = resolve(&storage, &name, &reference)?;
        Ok((digest, read(&storage, &name, &digest)?.ok_or_else(|| unknown(&reference))?))
    })
    .await?;
    let media_type = media_type(&bytes);
    let mut response = json(bytes, media_type.as_str());
    set_headers(&mut response, &[("docker-content-digest", digest.to_string()), ("etag", format!("\"{digest}\""))]);
    if !asked.wants_body() {
        *response.body_mut() = Body::empty();
    }
    Ok(response)
}

/// Keeps a manifest whose parts are all here, under its digest and under tags.
pub(crate) async fn put(
    registry: &Registry,
    asked: &Asked,
    (name, reference): (String, ManifestName),
    body: Body,
) -> Answer {
    let too_large = |_| Refusal::new(Code::SizeInvalid, format!("a manifest has at most {MAX_MANIFEST} bytes"));
    let bytes = to_bytes(body, MAX_MANIFEST).await.map_err(too_large)?.to_vec();
    let digest = Digest::of(&bytes);
    let mut tags = asked.query_all("tag").map(route::tag).collect::<Result<Vec<_>, _>>()?;
    match reference {
        ManifestName::Digest(wanted) if wanted != digest => {
            return Err(Refusal::new(Code::DigestInvalid, format!("the bytes have the digest {digest}")));
        }
        ManifestName::Digest(_) => (),
        ManifestName::Tag(tag) => tags.push(tag),
    }
    let document = parse(asked.header(CONTENT_TYPE), &bytes)?;
    let storage = registry.storage.clone();
    on_disk(move || {
        check_parts(&storage, &name, &document)?;
        storage.put_blob(&bytes, &digest)?;
        storage.link(&name, Kind::Manifest, &digest)?;
        let subject = document.subject.as_ref().map(|subject| subject.digest);
        if let Some(subject) = &subject {
            storage.add_referrer(&name, subject, &digest)?;
        }
        for tag in &tags {
            storage.set_tag(&name, tag, &digest)?;
        }
        let mut headers =
            vec![("location", format!("/v2/{name}/manifests/{digest}")), ("docker-content-digest", digest.to_string())];
        headers.extend(subject.map(|subject| ("oci-subject", subject.to_string())));
        headers.extend(tags.into_iter().map(|tag| ("oci-tag", tag)));
        Ok(empty(StatusCode::CREATED, &headers))
    })
    .await
}

/// Removes a tag, or a manifest with all of its tags.
pub(crate) async fn delete(registry: &Registry, name: String, reference: ManifestName) -> Answer {
    let storage = registry.storage.clone();
    on_disk(move || {
        let found = match &reference {
            ManifestName::Tag(tag) => storage.remove_tag(&name, tag)?,
            ManifestName::Digest(digest) => remove(&storage, &name, digest)?,
        };
        if found { Ok(empty(StatusCode::ACCEPTED, &[])) } else { Err(unknown(&reference)) }
    })
    .await
}

/// The bytes of a manifest that the repository has.
pub(crate) fn read(storage: &Storage, name: &str, digest: &Digest) -> Result<Option<Vec<u8>>, Refusal> {
    use std::io::Read as _;
    let Some(file) = storage.open_content(name, Kind::Manifest, digest)? else { return Ok(None) };
    let mut bytes = Vec::new();
    file.take(MAX_MANIFEST as u64).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

/// What a stored manifest is: told by itself, as the layout has no place to note it.
pub(crate) fn media_type(bytes: &[u8]) -> MediaType {
    let document: Document = serde_json::from_slice(bytes).unwrap_or_default();
    match (document.media_type, ManifestKind::detect(&MediaType::Other(String::new()), bytes)) {
        (Some(own), _) => MediaType::from(own.as_str()),
        (None, Some(ManifestKind::Index)) => MediaType::OciIndex,
        _ => MediaType::OciManifest,
    }
}

fn remove(storage: &Storage, name: &str, digest: &Digest) -> Result<bool, Refusal> {
    let document = read(storage, name, digest)?;
    let subject = document.and_then(|bytes| serde_json::from_slice::<Document>(&bytes).ok()?.subject);
    for tag in storage.tags(name)? {
        if storage.tag(name, &tag)? == Some(*digest) {
            storage.remove_tag(name, &tag)?;
        }
    }
    if let Some(subject) = subject {
        storage.remove_referrer(name, &subject.digest, digest)?;
    }
    Ok(storage.unlink(name, Kind::Manifest, digest)?)
}

fn resolve(storage: &Storage, name: &str, reference: &ManifestName) -> Result<Digest, Refusal> {
    match reference {
        ManifestName::Digest(digest) => Ok(*digest),
        ManifestName::Tag(tag) => match storage.tag(name, tag)? {
            Some(digest) => Ok(digest),
            None if storage.has_repository(name) => Err(unknown(reference)),
            None => Err(Refusal::new(Code::NameUnknown, format!("there is no repository `{name}`"))),
        },
    }
}

/// A document of a known kind whose own media type is the one that it is sent as.
fn parse(content_type: Option<&str>, bytes: &[u8]) -> Result<Document, Refusal> {
    let invalid = |reason: String| Refusal::new(Code::ManifestInvalid, reason);
    let sent_as = content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    let document: Document = serde_json::from_slice(bytes).map_err(|error| invalid(format!("{error}")))?;
    match &document.media_type {
        Some(own) if !sent_as.is_empty() && own != sent_as => {
            return Err(invalid(format!("a document of type `{own}` was sent as `{sent_as}`")));
        }
        _ => (),
    }
    let is_whole = match ManifestKind::detect(&MediaType::from(sent_as), bytes) {
        Some(ManifestKind::Schema1) => return Err(invalid("schema 1 is not supported".to_owned())),
        Some(ManifestKind::Manifest) => document.config.is_some() && document.layers.is_some(),
        Some(ManifestKind::Index) => document.manifests.is_some(),
        None => false,
    };
    match is_whole && document.schema_version == Some(2) {
        true => Ok(document),
        false => Err(invalid("neither a manifest nor an index".to_owned())),
    }
}

fn check_parts(storage: &Storage, name: &str, document: &Document) -> Result<(), Refusal> {
    let blobs = document.config.iter().chain(document.layers.iter().flatten()).map(|blob| (Kind::Layer, blob));
    let parts = blobs.chain(document.manifests.iter().flatten().map(|manifest| (Kind::Manifest, manifest)));
    for (kind, part) in parts {
        if !is_elsewhere(part) && storage.open_content(name, kind, &part.digest)?.is_none() {
            return Err(Refusal::new(Code::ManifestBlobUnknown, format!("{} was not pushed", part.digest)));
        }
    }
    Ok(())
}

/// Layers that may not be distributed, or have other places to get them from, need not be pushed.
fn is_elsewhere(part: &Descriptor) -> bool {
    let kind = part.media_type.as_str();
    !part.urls.is_empty() || kind.contains(".nondistributable.") || kind.contains(".rootfs.foreign.")
}

fn unknown(reference: &ManifestName) -> Refusal {
    let reference = match reference {
        ManifestName::Tag(tag) => tag.clone(),
        ManifestName::Digest(digest) => digest.to_string(),
    };
    Refusal::new(Code::ManifestUnknown, format!("the repository has no manifest `{reference}`"))
}
