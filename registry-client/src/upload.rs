//! An upload session: POST, PATCH…, PUT (distribution-spec, "Pushing Blobs"; end-4, 5, 6, 11, 13, 14).
//!
//! The registry's `Location` and `Range` are trusted over what was sent: the location carries state and may be
//! relative or on another host, and a part may have been taken in half.

use bytes::Bytes;
use dhow_layer_store::oci::Digest;
use reqwest::header::{CONTENT_RANGE, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION, RANGE};
use reqwest::{Method, Response, StatusCode};
use url::Url;

use crate::auth::{Access, Scopes};
use crate::body::Body;
use crate::endpoint::host_and_port;
use crate::error::{Error, RequestLine, Result};
use crate::repository::{Repository, header, header_value};
use crate::transport::{Call, Repeat};

/// An open session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    location: Url,
    offset: u64,
    shortest_chunk: u64,
}

impl Upload {
    /// How many bytes the registry has.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The request for the session itself, for messages.
    pub(crate) fn line(&self) -> RequestLine {
        RequestLine::new(&Method::PATCH, &self.location)
    }

    /// The fewest bytes that a part other than the last may have.
    pub fn shortest_chunk(&self) -> u64 {
        self.shortest_chunk
    }
}

/// The answer to a wish to take a blob over from another repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mount {
    /// The blob is here now.
    Mounted,
    /// It is not; here is a session to send it.
    Refused(Upload),
}

impl Repository {
    /// Opens a session (end-4a).
    ///
    /// # Errors
    /// The registry cannot be reached or refuses.
    pub async fn upload_start(&self) -> Result<Upload> {
        let call = Call::new(Method::POST, self.url("blobs/uploads/")?);
        let line = call.line();
        let answer = self.send_expecting(Access::Push, call).await?;
        self.session(&line, &answer, 0)
    }

    /// Asks the registry to take a blob over from its repository `from` (end-11).
    ///
    /// # Errors
    /// The registry cannot be reached or refuses even a session.
    pub async fn upload_mount(&self, digest: &Digest, from: &str) -> Result<Mount> {
        let mut url = self.url("blobs/uploads/")?;
        url.query_pairs_mut().append_pair("mount", &digest.to_string()).append_pair("from", from);
        let call = Call::new(Method::POST, url);
        let line = call.line();
        let scopes = Scopes::repository(self.name(), Access::Push).and(from, Access::Pull);
        let answer = self.expect_success(line.clone(), self.send_scoped(&scopes, call).await?).await?;
        if answer.status() == StatusCode::CREATED {
            return Ok(Mount::Mounted);
        }
        self.session(&line, &answer, 0).map(Mount::Refused)
    }

    /// Sends a part that begins at the session's offset (end-5). After an error ask `upload_status` how much arrived.
    ///
    /// # Errors
    /// The registry cannot be reached or refuses.
    pub async fn upload_patch(&self, upload: &mut Upload, part: Bytes) -> Result<()> {
        self.upload_patch_body(upload, Body::Bytes(part)).await
    }

    pub(crate) async fn upload_patch_body(&self, upload: &mut Upload, part: Body) -> Result<()> {
        let length = part.length();
        let mut call = Call::new(Method::PATCH, upload.location.clone());
        let last = upload.offset + length.saturating_sub(1);
        call.headers.insert(CONTENT_RANGE, header_value(&format!("{}-{last}", upload.offset), &call.line())?);
        call.headers.insert(CONTENT_TYPE, OCTETS);
        (call.body, call.repeat) = (part, Repeat::Never);
        let line = call.line();
        // The spec says 202, but 201 and 204 are in the wild.
        let answer = self.send_expecting(Access::Push, call).await?;
        let next = self.session(&line, &answer, upload.offset + length)?;
        *upload = Upload { shortest_chunk: upload.shortest_chunk, ..next };
        Ok(())
    }

    /// Ends the session with the bytes that are still missing, all of them if nothing was sent (end-6).
    ///
    /// # Errors
    /// The registry cannot be reached, or refuses, for instance because the bytes have another digest.
    pub async fn upload_put(&self, upload: &Upload, digest: &Digest, rest: Bytes) -> Result<()> {
        self.upload_put_body(upload, digest, Body::Bytes(rest)).await
    }

    pub(crate) async fn upload_put_body(&self, upload: &Upload, digest: &Digest, rest: Body) -> Result<()> {
        let mut url = upload.location.clone();
        url.query_pairs_mut().append_pair("digest", &digest.to_string());
        let mut call = Call::new(Method::PUT, url);
        call.headers.insert(CONTENT_TYPE, OCTETS);
        (call.body, call.repeat) = (rest, Repeat::Never);
        self.send_expecting(Access::Push, call).await.map(drop)
    }

    /// Asks how much has arrived (end-13).
    ///
    /// # Errors
    /// The registry cannot be reached, or has forgotten the session.
    pub async fn upload_status(&self, upload: &Upload) -> Result<Upload> {
        let call = Call::new(Method::GET, upload.location.clone());
        let line = call.line();
        let answer = self.send_expecting(Access::Push, call).await?;
        let mut next = upload.clone();
        if answer.headers().contains_key(LOCATION) {
            next = self.session(&line, &answer, 0)?;
        }
        next.offset = received(answer.headers()).unwrap_or(0);
        Ok(next)
    }

    /// Gives the session up (end-14).
    ///
    /// # Errors
    /// The registry cannot be reached or refuses.
    pub async fn upload_cancel(&self, upload: &Upload) -> Result<()> {
        let call = Call::new(Method::DELETE, upload.location.clone());
        self.send_expecting(Access::Push, call).await.map(drop)
    }

    /// The session that an answer describes; without a `Range`, `offset` bytes have arrived.
    fn session(&self, request: &RequestLine, answer: &Response, offset: u64) -> Result<Upload> {
        let headers = answer.headers();
        let wrong = |reason: String| Error::Protocol { request: request.clone(), reason };
        let text = header(headers, LOCATION.as_str());
        let text = text.ok_or_else(|| wrong("no `Location` of the upload".to_owned()))?;
        let location = answer.url().join(text).map_err(|_| wrong(format!("`Location` is no URL: `{text}`")))?;
        let location = self.kept_secure(location).ok_or_else(|| wrong("an upload over plain HTTP".to_owned()))?;
        let shortest_chunk =
            header(headers, "oci-chunk-min-length").and_then(|text| text.parse().ok()).unwrap_or_default();
        let offset = match received(headers) {
            // One byte, or none: what was expected tells.
            Some(0) if offset == 1 => 1,
            Some(received) if offset > 0 => received,
            _ => offset,
        };
        Ok(Upload { location, offset, shortest_chunk })
    }

    /// A registry behind a proxy that ends TLS often names itself with `http`: that is mended, other hosts are not trusted.
    fn kept_secure(&self, mut location: Url) -> Option<Url> {
        let base = &self.registry.endpoint.base;
        if base.scheme() == "https" && location.scheme() == "http" {
            if location.host_str() != base.host_str() || !matches!(location.port(), None | Some(80)) {
                let same = host_and_port(&location) == host_and_port(base);
                return same.then(|| location.set_scheme("https").ok().map(|()| location))?;
            }
            location.set_scheme("https").ok()?;
            location.set_port(base.port()).ok()?;
        }
        Some(location)
    }
}

const OCTETS: HeaderValue = HeaderValue::from_static("application/octet-stream");

/// `Range: 0-99` means 100 bytes. `0-0` is also what registries say of none.
fn received(headers: &HeaderMap) -> Option<u64> {
    let text = header(headers, RANGE.as_str())?.trim();
    let (_, last) = text.strip_prefix("bytes=").unwrap_or(text).split_once('-')?;
    let last: u64 = last.trim().parse().ok()?;
    Some(if last == 0 { 0 } else { last + 1 })
}
