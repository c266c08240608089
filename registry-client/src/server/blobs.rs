//! Blobs: GET, HEAD and DELETE (distribution-spec, end-2 and end-10).

use std::sync::Arc;

use axum::body::Body;
use axum::http::header::{IF_RANGE, RANGE};
use axum::http::{Response, StatusCode};
use dhow_layer_store::oci::Digest;

use super::answer::{Answer, Code, Refusal};
use super::handler::{Asked, Registry, empty, on_disk, set_headers};
use super::range::{self, Part};
use super::storage::Kind;
use crate::body::FileRange;

/// Sends a blob or a part of one.
pub(crate) async fn get(registry: &Registry, asked: &Asked, (name, digest): (String, Digest)) -> Answer {
    let storage = registry.storage.clone();
    let opened = on_disk(move || {
        let file = storage.open_content(&name, Kind::Layer, &digest)?.ok_or_else(|| unknown(&digest))?;
        let size = file.metadata()?.len();
        Ok((file, size))
    });
    let (file, size) = opened.await?;
    let etag = format!("\"{digest}\"");
    let unchanged = asked.header(IF_RANGE).is_none_or(|known| known == etag);
    let part = range::parse(asked.header(RANGE).filter(|_| unchanged), size);
    let (status, start, end) = match part {
        Part::Whole => (StatusCode::OK, 0, size),
        Part::Bytes(start, end) => (StatusCode::PARTIAL_CONTENT, start, end),
        Part::Unsatisfiable => {
            let refusal = Refusal::new(Code::RangeInvalid, format!("the blob has {size} bytes"));
            return Err(refusal.with("content-range", format!("bytes */{size}")));
        }
    };
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    if status == StatusCode::PARTIAL_CONTENT {
        set_headers(&mut response, &[("content-range", format!("bytes {start}-{}/{size}", end - 1))]);
    }
    set_headers(
        &mut response,
        &[
            ("content-type", "application/octet-stream".to_owned()),
            ("content-length", (end - start).to_string()),
            ("accept-ranges", "bytes".to_owned()),
            ("docker-content-digest", digest.to_string()),
            ("etag", etag),
        ],
    );
    if asked.wants_body() {
        let range = FileRange { file: Arc::new(file), start, length: end - start, on_bytes: Arc::new(|_| ()) };
        *response.body_mut() = Body::from_stream(range.stream());
    }
    Ok(response)
}

/// Takes a blob away from a repository.
pub(crate) async fn delete(registry: &Registry, name: String, digest: Digest) -> Answer {
    let storage = registry.storage.clone();
    on_disk(move || {
        if storage.unlink(&name, Kind::Layer, &digest)? {
            Ok(empty(StatusCode::ACCEPTED, &[]))
        } else {
            Err(unknown(&digest))
        }
    })
    .await
}

fn unknown(digest: &Digest) -> Refusal {
    Refusal::new(Code::BlobUnknown, format!("the repository has no blob {digest}"))
}
