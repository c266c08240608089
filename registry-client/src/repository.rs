//! One method for each operation of the distribution spec on a repository, apart from uploads (see `upload.rs`).

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use dhow_layer_store::oci::{Descriptor, Digest, Index, MediaType};
use reqwest::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue, RANGE};
use reqwest::{Method, Response, StatusCode};
use url::Url;

use crate::auth::{Access, Scopes};
use crate::blob_stream::BlobStream;
use crate::body::Body;
use crate::client::{Client, Need, Registry};
use crate::error::{Error, RequestLine, Result};
use crate::paging;
use crate::transport::Call;

/// Registries must accept 4 MB (distribution-spec, "Pushing Manifests"); more than this is no manifest.
pub(crate) const MAX_MANIFEST: usize = 16 << 20;

/// What is asked for when a manifest is. Schema 1 is among them so that an old image is refused by name, not as missing.
const MANIFESTS: [MediaType; 5] = [
    MediaType::OciIndex,
    MediaType::DockerList,
    MediaType::OciManifest,
    MediaType::DockerManifest,
    MediaType::DockerSchema1Signed,
];

/// A repository of a registry that was reached.
#[derive(Clone)]
pub struct Repository {
    pub(crate) client: Client,
    pub(crate) registry: Arc<Registry>,
    name: String,
}

/// A manifest or index as it was received: its digest is of these bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceivedManifest {
    /// Media type as the registry told it, digest and size of the bytes.
    pub descriptor: Descriptor,
    /// The bytes.
    pub bytes: Vec<u8>,
}

impl Repository {
    pub(crate) fn new(client: Client, registry: Arc<Registry>, name: &str) -> Self {
        Self { client, registry, name: name.to_owned() }
    }

    /// The repository's name in its registry.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The registry's name, as references write it.
    pub fn registry(&self) -> &str {
        &self.registry.name
    }

    /// The descriptor of the manifest with a tag or digest; `None` if there is none (end-3). Some registries count this
    /// less than a download.
    ///
    /// # Errors
    /// The registry cannot be reached or refuses.
    pub async fn manifest_head(&self, reference: &str) -> Result<Option<Descriptor>> {
        self.manifest_head_with(reference, Access::Pull).await
    }

    /// The same with a token that is needed afterwards anyway.
    pub(crate) async fn manifest_head_with(&self, reference: &str, access: Access) -> Result<Option<Descriptor>> {
        let call = self.manifest_call(Method::HEAD, reference)?;
        let line = call.line();
        let answer = self.send(access, call).await?;
        if answer.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let answer = self.expect_success(line, answer).await?;
        let digest = content_digest(answer.headers()).or_else(|| reference.parse().ok());
        let size = header(answer.headers(), CONTENT_LENGTH.as_str()).and_then(|text| text.parse().ok());
        match (digest, size) {
            (Some(digest), Some(size)) => Ok(Some(Descriptor::new(media_type(answer.headers()), digest, size))),
            // The digest is optional in answers: then only the document itself tells.
            _ => self.manifest_get(reference).await.map(|manifest| Some(manifest.descriptor)),
        }
    }

    /// The manifest with a tag or digest (end-3), verified against the digest that was asked for or that the registry states.
    ///
    /// # Errors
    /// The registry cannot be reached or refuses, there is no such manifest, or other bytes came than were promised.
    pub async fn manifest_get(&self, reference: &str) -> Result<ReceivedManifest> {
        let call = self.manifest_call(Method::GET, reference)?;
        let line = call.line();
        let answer = self.send(Access::Pull, call).await?;
        let answer = self.expect_success(line.clone(), answer).await?;
        let promised = reference.parse().ok().or_else(|| content_digest(answer.headers()));
        let media_type = media_type(answer.headers());
        let bytes = self.client.transport().document(&line, answer, MAX_MANIFEST).await?;
        let descriptor = Descriptor::of(media_type, &bytes);
        match promised {
            // Schema 1 is digested without its signatures.
            Some(digest) if digest != descriptor.digest && !is_schema1(&descriptor.media_type) => Err(Error::Corrupt {
                subject: line.to_string(),
                expected: digest.to_string(),
                actual: descriptor.digest.to_string(),
            }),
            _ => Ok(ReceivedManifest { descriptor, bytes }),
        }
    }

    /// Puts a manifest under a tag or its digest (end-7); returns whether the registry keeps the list of referrers itself
    /// (`OCI-Subject`).
    ///
    /// # Errors
    /// The registry cannot be reached or refuses, for instance because a blob is missing.
    pub async fn manifest_put(&self, reference: &str, media_type: &MediaType, bytes: Bytes) -> Result<SubjectHandling> {
        let mut call = Call::new(Method::PUT, self.url(&format!("manifests/{reference}"))?);
        call.headers.insert(CONTENT_TYPE, header_value(media_type.as_str(), &call.line())?);
        call.body = Body::Bytes(bytes);
        let answer = self.send_expecting(Access::Push, call).await?;
        let listed = answer.headers().contains_key("oci-subject");
        Ok(if listed { SubjectHandling::ByRegistry } else { SubjectHandling::ByClient })
    }

    /// Removes a tag, or a manifest by its digest (end-9).
    ///
    /// # Errors
    /// The registry cannot be reached or refuses; many do.
    pub async fn manifest_delete(&self, reference: &str) -> Result<()> {
        let call = Call::new(Method::DELETE, self.url(&format!("manifests/{reference}"))?);
        self.send_expecting(Access::Delete, call).await.map(drop)
    }

    /// Size of a blob in bytes; `None` if the repository has none with that digest (end-2).
    ///
    /// # Errors
    /// The registry cannot be reached or refuses.
    pub async fn blob_head(&self, digest: &Digest) -> Result<Option<u64>> {
        self.blob_head_with(digest, Access::Pull).await
    }

    /// The same with a token that is needed afterwards anyway.
    pub(crate) async fn blob_head_with(&self, digest: &Digest, access: Access) -> Result<Option<u64>> {
        let call = Call::new(Method::HEAD, self.url(&format!("blobs/{digest}"))?);
        let line = call.line();
        let answer = self.send(access, call).await?;
        if answer.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let answer = self.expect_success(line.clone(), answer).await?;
        let size = header(answer.headers(), CONTENT_LENGTH.as_str()).and_then(|text| text.parse().ok());
        let reason = || Error::Protocol { request: line, reason: "no size of the blob".to_owned() };
        size.map(Some).ok_or_else(reason)
    }

    /// A blob's bytes from `offset` on (end-2). They are *not* verified: only the whole blob can be.
    ///
    /// # Errors
    /// The registry cannot be reached or refuses, or has no such blob.
    pub async fn blob_get(&self, digest: &Digest, offset: u64) -> Result<BlobStream> {
        let mut call = Call::new(Method::GET, self.url(&format!("blobs/{digest}"))?);
        if offset > 0 {
            call.headers.insert(RANGE, header_value(&format!("bytes={offset}-"), &call.line())?);
        }
        let line = call.line();
        let answer = self.send(Access::Pull, call).await?;
        if answer.status() == StatusCode::NOT_FOUND {
            let repository = format!("{}/{}", self.registry(), self.name);
            return Err(Error::BlobMissing { digest: *digest, repository });
        }
        // The offset is behind the end, or ranges are not served: from the start then.
        if offset > 0 && answer.status() == StatusCode::RANGE_NOT_SATISFIABLE {
            return Box::pin(self.blob_get(digest, 0)).await;
        }
        let answer = self.expect_success(line.clone(), answer).await?;
        BlobStream::new(self.client.clone(), line, answer)
    }

    /// Removes a blob from the repository (end-10).
    ///
    /// # Errors
    /// The registry cannot be reached or refuses; many do.
    pub async fn blob_delete(&self, digest: &Digest) -> Result<()> {
        let call = Call::new(Method::DELETE, self.url(&format!("blobs/{digest}"))?);
        self.send_expecting(Access::Delete, call).await.map(drop)
    }

    /// All tags (end-8), following pages.
    ///
    /// # Errors
    /// The registry cannot be reached or refuses, or has no such repository.
    pub async fn tags(&self) -> Result<Vec<String>> {
        let scopes = Scopes::repository(&self.name, Access::Pull);
        let need = Need { repository: &self.name, scopes: &scopes };
        paging::all(&self.client, &self.registry, need, (self.url("tags/list?n=1000")?, "tags")).await
    }

    /// The manifests that refer to `subject` (end-12); with a registry that keeps no such list, the one under the
    /// fallback tag (distribution-spec, "Referrers Tag Schema").
    ///
    /// # Errors
    /// The registry cannot be reached or refuses.
    pub async fn referrers(&self, subject: &Digest, artifact_type: Option<&str>) -> Result<Index> {
        let mut url = self.url(&format!("referrers/{subject}"))?;
        url.query_pairs_mut().extend_pairs(artifact_type.map(|kind| ("artifactType", kind)));
        let mut call = Call::new(Method::GET, url);
        call.headers.insert(ACCEPT, HeaderValue::from_static("application/vnd.oci.image.index.v1+json"));
        let line = call.line();
        let answer = self.send(Access::Pull, call).await?;
        let bytes = match answer.status() {
            StatusCode::NOT_FOUND => match self.manifest_get(&subject.to_string().replace(':', "-")).await {
                Ok(manifest) => manifest.bytes,
                Err(error) if error.status() == Some(404) => return Ok(Index::oci(Vec::new())),
                Err(error) => return Err(error),
            },
            _ => {
                let answer = self.expect_success(line.clone(), answer).await?;
                self.client.transport().document(&line, answer, MAX_MANIFEST).await?
            }
        };
        let mut index: Index = serde_json::from_slice(&bytes)
            .map_err(|error| Error::Protocol { request: line, reason: format!("no index: {error}") })?;
        // The registry may leave the filter to us.
        index.manifests.retain(|entry| artifact_type.is_none_or(|kind| entry.artifact_type.as_deref() == Some(kind)));
        Ok(index)
    }

    pub(crate) fn url(&self, path: &str) -> Result<Url> {
        self.registry.url(&format!("{}/{path}", self.name))
    }

    pub(crate) async fn send(&self, access: Access, call: Call) -> Result<Response> {
        self.send_scoped(&Scopes::repository(&self.name, access), call).await
    }

    pub(crate) async fn send_scoped(&self, scopes: &Scopes, call: Call) -> Result<Response> {
        let need = Need { repository: &self.name, scopes };
        self.client.send(&self.registry, need, call).await
    }

    pub(crate) async fn send_expecting(&self, access: Access, call: Call) -> Result<Response> {
        let line = call.line();
        let answer = self.send(access, call).await?;
        self.expect_success(line, answer).await
    }

    pub(crate) async fn expect_success(&self, line: RequestLine, answer: Response) -> Result<Response> {
        if answer.status().is_success() {
            return Ok(answer);
        }
        Err(self.client.transport().status_error(line, answer).await)
    }

    fn manifest_call(&self, method: Method, reference: &str) -> Result<Call> {
        let mut call = Call::new(method, self.url(&format!("manifests/{reference}"))?);
        let accept = MANIFESTS.each_ref().map(MediaType::as_str).join(", ");
        call.headers.insert(ACCEPT, header_value(&accept, &call.line())?);
        Ok(call)
    }
}

impl fmt::Debug for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Repository({}/{})", self.registry(), self.name)
    }
}

/// Who keeps the list of the manifests that refer to another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubjectHandling {
    /// The registry, as the spec's version 1.1 asks for.
    ByRegistry,
    /// Whoever pushes, under the fallback tag; also the answer for manifests without a subject.
    ByClient,
}

pub(crate) fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

pub(crate) fn header_value(text: &str, request: &RequestLine) -> Result<HeaderValue> {
    let wrong = |_| Error::Protocol { request: request.clone(), reason: format!("`{text}` cannot be in a header") };
    HeaderValue::try_from(text).map_err(wrong)
}

fn content_digest(headers: &HeaderMap) -> Option<Digest> {
    header(headers, "docker-content-digest")?.parse().ok()
}

/// The media type without parameters such as `charset`.
fn media_type(headers: &HeaderMap) -> MediaType {
    let text = header(headers, CONTENT_TYPE.as_str()).unwrap_or_default();
    MediaType::from(text.split(';').next().unwrap_or_default().trim())
}

fn is_schema1(media_type: &MediaType) -> bool {
    matches!(media_type, MediaType::DockerSchema1 | MediaType::DockerSchema1Signed)
}
