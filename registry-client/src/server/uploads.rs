//! Uploads: POST, PATCH, PUT, GET and DELETE (distribution-spec, "Pushing Blobs").

use std::io::Write;

use axum::body::Body;
use axum::http::header::{CONTENT_LENGTH, CONTENT_RANGE};
use axum::http::{Response, StatusCode};
use dhow_layer_store::oci::Digest;
use futures_util::StreamExt as _;

use super::answer::{Answer, Code, Refusal};
use super::handler::{Asked, Registry, empty, on_disk};
use super::route;
use super::storage::Kind;
use super::uploads_store::{Session, Unavailable};
use crate::sink::Sink;

/// Opens a session (end-4a), takes a whole blob at once (end-4b), or takes it over from another repository (end-11).
pub(crate) async fn start(registry: &Registry, asked: &Asked, name: String, body: Body) -> Answer {
    if let Some(digest) = asked.query("mount") {
        let digest = route::digest(digest)?;
        if let Some(mounted) = mount(registry, asked, (&name, digest)).await? {
            return Ok(mounted);
        }
    }
    let (uploads, repository) = (registry.uploads.clone(), name.clone());
    let id = on_disk(move || Ok(uploads.create(&repository)?)).await?;
    match asked.query("digest") {
        Some(_) => put(registry, asked, (name, id), body).await,
        None => Ok(progress(StatusCode::ACCEPTED, (&name, &id), 0)),
    }
}

/// Takes a part (end-5).
pub(crate) async fn patch(registry: &Registry, asked: &Asked, (name, id): (String, String), body: Body) -> Answer {
    let session = session(registry, asked, (&name, &id)).await?;
    let session = receive(session, body).await?;
    Ok(progress(StatusCode::ACCEPTED, (&name, &id), session.size()))
}

/// Takes the last part and ends the session (end-6).
pub(crate) async fn put(registry: &Registry, asked: &Asked, (name, id): (String, String), body: Body) -> Answer {
    let digest = asked.query("digest");
    let digest = digest.ok_or_else(|| Refusal::new(Code::DigestInvalid, "the digest is missing".to_owned()))?;
    let digest = route::digest(digest)?;
    let session = session(registry, asked, (&name, &id)).await?;
    let session = receive(session, body).await?;
    let (storage, uploads) = (registry.storage.clone(), registry.uploads.clone());
    on_disk(move || {
        if let Err(actual) = session.finish(&digest)? {
            // What was appended cannot be undone: the session is of no more use.
            uploads.remove(&name, &id)?;
            return Err(Refusal::new(Code::DigestInvalid, format!("the bytes have the digest {actual}")));
        }
        storage.link(&name, Kind::Layer, &digest)?;
        Ok(created(&name, &digest))
    })
    .await
}

/// Tells how much has arrived (end-13).
pub(crate) async fn status(registry: &Registry, name: String, id: String) -> Answer {
    let uploads = registry.uploads.clone();
    on_disk(move || {
        let size = uploads.size(&name, &id)?.ok_or_else(unknown)?;
        Ok(progress(StatusCode::NO_CONTENT, (&name, &id), size))
    })
    .await
}

/// Forgets a session (end-14).
pub(crate) async fn cancel(registry: &Registry, name: String, id: String) -> Answer {
    let uploads = registry.uploads.clone();
    on_disk(move || if uploads.remove(&name, &id)? { Ok(empty(StatusCode::NO_CONTENT, &[])) } else { Err(unknown()) })
        .await
}

/// The answer if the blob could be taken over. Without `from` any repository will do, as none is closed to anybody.
async fn mount(
    registry: &Registry,
    asked: &Asked,
    (name, digest): (&str, Digest),
) -> Result<Option<Response<Body>>, Refusal> {
    let from = asked.query("from").map(|from| route::repository(&from.split('/').collect::<Vec<_>>())).transpose()?;
    let (storage, name) = (registry.storage.clone(), name.to_owned());
    on_disk(move || {
        let found = match from {
            Some(from) => storage.open_content(&from, Kind::Layer, &digest)?.is_some(),
            None => storage.blob_path(&digest).is_file(),
        };
        if found {
            storage.link(&name, Kind::Layer, &digest)?;
        }
        Ok(found.then(|| created(&name, &digest)))
    })
    .await
}

/// The session, if the part that is offered continues it.
async fn session(registry: &Registry, asked: &Asked, (name, id): (&str, &str)) -> Result<Session, Refusal> {
    let (uploads, owned) = (registry.uploads.clone(), (name.to_owned(), id.to_owned()));
    let taken = on_disk(move || Ok(uploads.take(&owned.0, &owned.1))).await?;
    let session = taken.map_err(|error| match error {
        Unavailable::Unknown => unknown(),
        Unavailable::Busy => {
            let message = "another request writes to this upload".to_owned();
            Refusal::new(Code::UploadBusy, message).with("retry-after", "1".to_owned())
        }
        Unavailable::Io(error) => error.into(),
    })?;
    let Some(range) = asked.header(CONTENT_RANGE) else { return Ok(session) };
    let invalid = || Refusal::new(Code::BlobUploadInvalid, format!("`{range}` is no content range"));
    let range_text = range.strip_prefix("bytes ").unwrap_or(range);
    let (start, last) = range_text.split('/').next().and_then(|range| range.split_once('-')).ok_or_else(invalid)?;
    let (start, last): (u64, u64) = (start.parse().map_err(|_| invalid())?, last.parse().map_err(|_| invalid())?);
    let length: Option<u64> = asked.header(CONTENT_LENGTH).and_then(|text| text.parse().ok());
    let wrong_length = length.is_some_and(|length| length > 0 && last.checked_sub(start) != Some(length - 1));
    if start != session.size() || wrong_length {
        let refusal = Refusal::new(Code::RangeInvalid, format!("the upload has {} bytes", session.size()));
        let [location, range, uuid] = place((name, id), session.size());
        return Err(refusal.with(location.0, location.1).with(range.0, range.1).with(uuid.0, uuid.1));
    }
    Ok(session)
}

/// Appends a body. What arrived of one that breaks off stays, for a client that resumes.
async fn receive(session: Session, body: Body) -> Result<Session, Refusal> {
    let sink = Sink::new(session, |_| ());
    let mut body = body.into_data_stream();
    let mut broken = None;
    while let Some(chunk) = body.next().await {
        match chunk {
            Ok(chunk) => {
                if !sink.send(chunk).await {
                    break;
                }
            }
            Err(error) => {
                broken = Some(Refusal::new(Code::BlobUploadInvalid, format!("the body broke off: {error}")));
                break;
            }
        }
    }
    let (mut session, written) = sink.finish().await;
    written?;
    session.flush()?;
    broken.map_or(Ok(session), Err)
}

/// Where the session is, and how far.
fn place((name, id): (&str, &str), size: u64) -> [(&'static str, String); 3] {
    [
        ("location", format!("/v2/{name}/blobs/uploads/{id}")),
        ("range", format!("0-{}", size.saturating_sub(1))),
        ("docker-upload-uuid", id.to_owned()),
    ]
}

fn progress(status: StatusCode, session: (&str, &str), size: u64) -> Response<Body> {
    empty(status, &place(session, size))
}

fn created(name: &str, digest: &Digest) -> Response<Body> {
    let headers = [("location", format!("/v2/{name}/blobs/{digest}")), ("docker-content-digest", digest.to_string())];
    empty(StatusCode::CREATED, &headers)
}

fn unknown() -> Refusal {
    Refusal::new(Code::BlobUploadUnknown, "there is no such upload".to_owned())
}
