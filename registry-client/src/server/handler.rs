//! Hands each request to the one who answers it.

use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};
use url::form_urlencoded;

use super::answer::{Answer, Code, Refusal};
use super::route::Route;
use super::serve::{OnRequest, Served};
use super::storage::Storage;
use super::uploads_store::Uploads;
use super::{blobs, catalog, manifests, referrers, uploads};

/// What all handlers share.
#[derive(Clone)]
pub(crate) struct Registry {
    pub(crate) storage: Storage,
    pub(crate) uploads: Uploads,
    pub(crate) on_request: Option<OnRequest>,
}

/// A request without its body.
pub(crate) struct Asked {
    pub(crate) method: Method,
    pub(crate) headers: HeaderMap,
    query: Vec<(String, String)>,
}

impl Asked {
    /// The first value of a query parameter.
    pub(crate) fn query<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        self.query_all(name).next()
    }

    /// All values of a query parameter.
    pub(crate) fn query_all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.query.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// A header as text.
    pub(crate) fn header(&self, name: HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Whether the body of the answer is wanted.
    pub(crate) fn wants_body(&self) -> bool {
        self.method != Method::HEAD
    }
}

/// Answers any request.
pub(crate) async fn handle(State(registry): State<Arc<Registry>>, request: Request) -> Response<Body> {
    let began = Instant::now();
    let (parts, body) = request.into_parts();
    let query = form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
    let path = parts.uri.path().to_owned();
    let asked = Asked { method: parts.method, headers: parts.headers, query };
    let mut response = match Route::parse(&path) {
        Ok(route) => answer(&registry, route, &asked, body).await.unwrap_or_else(Refusal::into_response),
        Err(refusal) => refusal.into_response(),
    };
    // Docker's clients take a server for a registry by this header.
    let version = HeaderName::from_static("docker-distribution-api-version");
    response.headers_mut().insert(version, HeaderValue::from_static("registry/2.0"));
    if let Some(on_request) = &registry.on_request {
        let status = response.status().as_u16();
        on_request(Served { method: asked.method.to_string(), path, status, duration: began.elapsed() });
    }
    response
}

async fn answer(registry: &Arc<Registry>, route: Route, asked: &Asked, body: Body) -> Answer {
    let reading = matches!(asked.method, Method::GET | Method::HEAD);
    match (route, &asked.method) {
        (Route::Root, _) if reading => Ok(json(b"{}".to_vec(), "application/json")),
        (Route::Catalog, _) if reading => catalog::repositories(registry, asked).await,
        (Route::Tags(name), _) if reading => catalog::tags(registry, asked, name).await,
        (Route::Referrers(name, subject), _) if reading => referrers::list(registry, asked, (name, subject)).await,
        (Route::Manifest(name, reference), _) if reading => manifests::get(registry, asked, (name, reference)).await,
        (Route::Manifest(name, reference), &Method::PUT) => {
            manifests::put(registry, asked, (name, reference), body).await
        }
        (Route::Manifest(name, reference), &Method::DELETE) => manifests::delete(registry, name, reference).await,
        (Route::Blob(name, digest), _) if reading => blobs::get(registry, asked, (name, digest)).await,
        (Route::Blob(name, digest), &Method::DELETE) => blobs::delete(registry, name, digest).await,
        (Route::Uploads(name), &Method::POST) => uploads::start(registry, asked, name, body).await,
        (Route::Upload(name, id), _) if reading => uploads::status(registry, name, id).await,
        (Route::Upload(name, id), &Method::PATCH) => uploads::patch(registry, asked, (name, id), body).await,
        (Route::Upload(name, id), &Method::PUT) => uploads::put(registry, asked, (name, id), body).await,
        (Route::Upload(name, id), &Method::DELETE) => uploads::cancel(registry, name, id).await,
        (_, method) => Err(Refusal::new(Code::Unsupported, format!("`{method}` is not for this path"))),
    }
}

/// Runs work on the disk beside the asynchronous part.
pub(crate) async fn on_disk<T, F>(work: F) -> Result<T, Refusal>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T, Refusal> + Send + 'static,
{
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(Refusal::new(Code::Internal, format!("the request was not finished: {error}"))),
    }
}

/// An answer without body.
pub(crate) fn empty(status: StatusCode, headers: &[(&'static str, String)]) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    set_headers(&mut response, headers);
    response
}

/// An answer with a short document.
pub(crate) fn json(body: Vec<u8>, media_type: &str) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    set_headers(
        &mut response,
        &[(CONTENT_TYPE.as_str(), media_type), (CONTENT_LENGTH.as_str(), &body.len().to_string())]
            .map(|(name, value)| (name, value.to_owned())),
    );
    *response.body_mut() = Body::from(body);
    response
}

/// Sets headers; values that no header may hold are left out.
pub(crate) fn set_headers(response: &mut Response<Body>, headers: &[(&'static str, String)]) {
    for (name, value) in headers {
        if let Ok(value) = HeaderValue::try_from(value) {
            response.headers_mut().append(HeaderName::from_static(name), value);
        }
    }
}
