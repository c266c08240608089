//! Files from any web server, outside of the distribution protocol: what `ADD` and remote build contexts fetch.

use std::time::SystemTime;

use bytes::Bytes;
use reqwest::header::{AUTHORIZATION, ETAG, HeaderValue, IF_NONE_MATCH, LAST_MODIFIED};
use reqwest::{Method, Response, StatusCode};
use url::Url;

use crate::body::Body;
use crate::client::Client;
use crate::error::{Error, RequestLine, Result};
use crate::repository::header;
use crate::transport::Call;

/// A request for a file.
#[derive(Debug, Clone, Copy, Default)]
pub struct WebRequest<'a> {
    /// `http` or `https`. User and password in it are sent to its host alone.
    pub url: &'a str,
    /// The entity tag of the content that is here already, as [`WebFile::etag`] told it.
    pub etag: Option<&'a str>,
    /// The value of the header `Authorization`.
    pub authorization: Option<&'a str>,
    /// More headers: names in lower case and values.
    pub headers: &'a [(&'static str, &'a str)],
    /// What to send, for a request that changes nothing there; then it is a POST.
    pub body: Option<&'a [u8]>,
}

/// What a server says to a [`WebRequest`].
#[derive(Debug)]
pub enum WebAnswer {
    /// The content is the one with the entity tag.
    Unchanged,
    /// It is another.
    File(Box<WebFile>),
}

/// A file as it arrives.
#[derive(Debug)]
pub struct WebFile {
    client: Client,
    request: RequestLine,
    answer: Response,
}

impl Client {
    /// Asks a server for a file (RFC 9110; 13.1.2 for the entity tag).
    ///
    /// # Errors
    /// [`Error::Web`]: the server cannot be reached, or has no such file.
    pub async fn web_file(&self, request: &WebRequest<'_>) -> Result<WebAnswer> {
        self.ask(request).await.map_err(of_web)
    }

    async fn ask(&self, request: &WebRequest<'_>) -> Result<WebAnswer> {
        let settings = |what: &str| Error::Settings { reason: format!("{what} cannot be part of a request") };
        let url: Url = request.url.parse().map_err(|_| settings(&format!("`{}`", request.url)))?;
        let mut call = Call::new(if request.body.is_some() { Method::POST } else { Method::GET }, url);
        if let Some(body) = request.body {
            call.body = Body::Bytes(Bytes::copy_from_slice(body));
        }
        for (name, value) in request.headers {
            call.headers.insert(*name, HeaderValue::from_str(value).map_err(|_| settings(name))?);
        }
        if let Some(etag) = request.etag {
            call.headers.insert(IF_NONE_MATCH, HeaderValue::from_str(etag).map_err(|_| settings("the entity tag"))?);
        }
        if let Some(secret) = request.authorization {
            let value = HeaderValue::from_str(secret).map_err(|_| settings("the secret for `Authorization`"))?;
            call.headers.insert(AUTHORIZATION, value);
        }
        let (line, answer) = (call.line(), self.transport().send(&call).await?);
        let file = match answer.status() {
            StatusCode::NOT_MODIFIED if request.etag.is_some() => return Ok(WebAnswer::Unchanged),
            status if status.is_success() => WebFile { client: self.clone(), request: line, answer },
            _ => return Err(self.transport().status_error(line, answer).await),
        };
        // Some servers send tags and do not heed the question.
        let same = request.etag.is_some_and(|tag| file.etag().is_some_and(|now| strong(now) == strong(tag)));
        Ok(if same { WebAnswer::Unchanged } else { WebAnswer::File(Box::new(file)) })
    }
}

impl WebFile {
    /// Where it was found in the end, redirects followed.
    pub fn url(&self) -> &str {
        self.answer.url().as_str()
    }

    /// The entity tag, quotes and all.
    pub fn etag(&self) -> Option<&str> {
        header(self.answer.headers(), ETAG.as_str())
    }

    /// The date of the last change (`Last-Modified`).
    pub fn modified(&self) -> Option<SystemTime> {
        httpdate::parse_http_date(header(self.answer.headers(), LAST_MODIFIED.as_str())?).ok()
    }

    /// The next bytes; `None` at the end.
    ///
    /// # Errors
    /// [`Error::Web`]: the connection broke, or nothing came for too long.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>> {
        self.client.transport().chunk(&self.request, &mut self.answer).await.map_err(of_web)
    }
}

fn of_web(error: Error) -> Error {
    Error::Web(Box::new(error))
}

/// A tag without the mark of a weak one.
fn strong(etag: &str) -> &str {
    etag.strip_prefix("W/").unwrap_or(etag)
}
