//! Sends one request: picks the connection pool of its host, repeats it after passing failures, follows redirects.
//!
//! It knows nothing of tokens: the header `Authorization` is set by the caller, and dropped here when a redirect
//! leads to another host, where it would hand our secret to object storage.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use reqwest::header::{AUTHORIZATION, CONTENT_LENGTH, HeaderMap, HeaderValue, LOCATION, RETRY_AFTER};
use reqwest::{Method, NoProxy, Proxy, Response, StatusCode};
use url::Url;

use crate::api_error::ApiError;
use crate::body::{Body, FileRange};
use crate::connect_failure;
use crate::endpoint::{Trust, host_and_port, is_loopback, same_origin};
use crate::error::{Error, RequestLine, Result, StatusError};
use crate::options::{ClientOptions, ProxyOptions, Timeouts};
use crate::retry::Attempts;
use crate::tls;

/// As many as browsers follow.
const MAX_REDIRECTS: usize = 10;
/// The most of an error document that is read.
const MAX_ERROR_BODY: usize = 64 << 10;

/// A request that can be sent more than once.
#[derive(Clone)]
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Body,
    pub(crate) trust: Trust,
    pub(crate) repeat: Repeat,
}

/// Whether a request that failed for a passing reason is repeated here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// It may be: it changes nothing, or the same thing again.
    Safe,
    /// It must not be: the caller has to look first how far it got.
    Never,
}

impl Call {
    /// A request without headers and body that may be repeated.
    pub(crate) fn new(method: Method, url: Url) -> Self {
        let (headers, body) = (HeaderMap::new(), Body::Empty);
        Self { method, url, headers, body, trust: Trust::Verified, repeat: Repeat::Safe }
    }

    /// The line that messages show.
    pub(crate) fn line(&self) -> RequestLine {
        RequestLine::new(&self.method, &self.url)
    }
}

/// The connections of one client.
pub(crate) struct Transport {
    options: ClientOptions,
    pools: Mutex<HashMap<(String, Trust), reqwest::Client>>,
}

impl Transport {
    pub(crate) fn new(options: ClientOptions) -> Self {
        Self { options, pools: Mutex::new(HashMap::new()) }
    }

    pub(crate) fn options(&self) -> &ClientOptions {
        &self.options
    }

    /// Sends `call` and returns the answer, whatever its status; after passing failures it is repeated first.
    pub(crate) async fn send(&self, call: &Call) -> Result<Response> {
        let mut attempts = Attempts::new(self.options.retry);
        loop {
            let failure = match self.follow(call.clone()).await {
                Ok(answer) if !is_passing(answer.status()) || call.repeat == Repeat::Never => return Ok(answer),
                Ok(answer) => self.status_error(call.line(), answer).await,
                Err(error) if call.repeat == Repeat::Never => return Err(error),
                Err(error) => error,
            };
            attempts.wait_after(failure).await?;
        }
    }

    /// The next bytes of an answer's body; `None` at its end.
    pub(crate) async fn chunk(&self, request: &RequestLine, answer: &mut Response) -> Result<Option<Bytes>> {
        let idle = self.options.timeouts.idle;
        match tokio::time::timeout(idle, answer.chunk()).await {
            Ok(chunk) => chunk.map_err(|error| Error::Broken { request: request.clone(), source: error.without_url() }),
            Err(_) => Err(Error::Stalled { request: request.clone(), idle }),
        }
    }

    /// A document of at most `limit` bytes.
    pub(crate) async fn document(&self, request: &RequestLine, mut answer: Response, limit: usize) -> Result<Vec<u8>> {
        let mut document = Vec::new();
        while let Some(chunk) = self.chunk(request, &mut answer).await? {
            if document.len() + chunk.len() > limit {
                let reason = format!("the document is larger than {limit} bytes");
                return Err(Error::Protocol { request: request.clone(), reason });
            }
            document.extend_from_slice(&chunk);
        }
        Ok(document)
    }

    /// The error that an answer with an unwanted status stands for.
    pub(crate) async fn status_error(&self, request: RequestLine, answer: Response) -> Error {
        let status = answer.status().as_u16();
        let retry_after = answer.headers().get(RETRY_AFTER).and_then(parse_retry_after);
        // An explanation that cannot be read is left out: the status is the error.
        let body = self.document(&request, answer, MAX_ERROR_BODY).await.unwrap_or_default();
        Error::Status(Box::new(StatusError { request, status, errors: ApiError::parse(&body), retry_after }))
    }

    async fn follow(&self, mut call: Call) -> Result<Response> {
        for _ in 0..=MAX_REDIRECTS {
            let answer = self.send_once(&call).await?;
            match redirect_target(&call, &answer)? {
                Some(target) => call = redirected(call, target)?,
                None => return Ok(answer),
            }
        }
        Err(Error::Protocol { request: call.line(), reason: format!("more than {MAX_REDIRECTS} redirects") })
    }

    async fn send_once(&self, call: &Call) -> Result<Response> {
        let pool = self.pool(&call.url, call.trust)?;
        let (body, taken) = watched(&call.body);
        let mut request = pool.request(call.method.clone(), call.url.clone()).headers(call.headers.clone());
        if !matches!(call.body, Body::Empty) || matches!(call.method, Method::POST | Method::PUT | Method::PATCH) {
            request = request.header(CONTENT_LENGTH, call.body.length()).body(body.to_reqwest());
        }
        tokio::select! {
            answer = request.send() => answer.map_err(|error| connect_failure::classify(call.line(), error)),
            idle = stalled(&self.options.timeouts, call.body.length(), &taken) => {
                Err(Error::Stalled { request: call.line(), idle })
            }
        }
    }

    fn pool(&self, url: &Url, trust: Trust) -> Result<reqwest::Client> {
        let key = (host_and_port(url), trust);
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pool) = pools.get(&key) {
            return Ok(pool.clone());
        }
        let pool = self.new_pool(url, trust)?;
        pools.insert(key, pool.clone());
        Ok(pool)
    }

    fn new_pool(&self, url: &Url, trust: Trust) -> Result<reqwest::Client> {
        let options = &self.options;
        let tls = tls::client_config(&options.tls, &host_and_port(url), trust)?;
        // HTTP/1.1: a connection for each blob is faster than one that all of them share. The client's own redirects
        // and its reading of proxy variables are off, as both are decided here and by the caller.
        let mut builder = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .http1_only()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(options.timeouts.connect)
            .user_agent(&options.user_agent);
        if !is_loopback(url) {
            for proxy in proxies(&options.proxies)? {
                builder = builder.proxy(proxy);
            }
        }
        builder.build().map_err(|error| Error::Settings { reason: error.to_string() })
    }
}

fn proxies(options: &ProxyOptions) -> Result<Vec<Proxy>> {
    let wrong = |error: reqwest::Error| Error::Settings { reason: format!("the proxy cannot be used: {error}") };
    let http = options.http.iter().map(|url| Proxy::http(url.clone()));
    let https = options.https.iter().map(|url| Proxy::https(url.clone()));
    let direct = NoProxy::from_string(&options.no_proxy);
    http.chain(https).map(|proxy| Ok(proxy.map_err(wrong)?.no_proxy(direct.clone()))).collect()
}

/// The body with a count of what the connection took of it.
fn watched(body: &Body) -> (Body, Arc<AtomicU64>) {
    let taken = Arc::new(AtomicU64::new(0));
    let Body::File(range) = body else { return (body.clone(), taken) };
    let (counter, on_bytes) = (Arc::clone(&taken), Arc::clone(&range.on_bytes));
    let on_bytes = Arc::new(move |count| {
        counter.fetch_add(count, Ordering::Relaxed);
        on_bytes(count);
    });
    (Body::File(FileRange { on_bytes, ..range.clone() }), taken)
}

/// Ends when nothing moved for too long, which it returns: while a body of `length` bytes is sent, when no more of it
/// was `taken`; after that, when there is no answer.
async fn stalled(timeouts: &Timeouts, length: u64, taken: &AtomicU64) -> Duration {
    let mut seen = 0;
    loop {
        let is_sent = length > 0 && seen >= length;
        let idle = if is_sent { timeouts.commit } else { timeouts.idle };
        tokio::time::sleep(idle).await;
        let now = taken.load(Ordering::Relaxed);
        // Bodies of bytes are not counted: they are small.
        if now == seen {
            return idle;
        }
        seen = now;
    }
}

fn is_passing(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 429 | 500 | 502 | 503 | 504)
}

/// Where the answer sends us, if it does.
fn redirect_target(call: &Call, answer: &Response) -> Result<Option<Url>> {
    let with_body = !matches!(call.method, Method::GET | Method::HEAD);
    match answer.status().as_u16() {
        307 | 308 => (),
        301..=303 if !with_body => (),
        _ => return Ok(None),
    }
    let wrong = |reason: String| Error::Protocol { request: call.line(), reason };
    let location = answer.headers().get(LOCATION).ok_or_else(|| wrong("a redirect without a target".to_owned()))?;
    let target = location.to_str().ok().and_then(|text| call.url.join(text).ok());
    let target = target.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    let target = target.ok_or_else(|| wrong("a redirect to something that is no URL".to_owned()))?;
    if call.url.scheme() == "https" && target.scheme() == "http" {
        return Err(wrong(format!("a redirect from HTTPS to plain HTTP on `{}`", host_and_port(&target))));
    }
    Ok(Some(target))
}

fn redirected(mut call: Call, target: Url) -> Result<Call> {
    if !same_origin(&call.url, &target) {
        call.headers.remove(AUTHORIZATION);
        call.trust = Trust::Verified;
    }
    call.url = target;
    Ok(call)
}

/// Seconds or an HTTP date (RFC 9110, 10.2.3).
fn parse_retry_after(value: &HeaderValue) -> Option<Duration> {
    let text = value.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = httpdate::parse_http_date(text).ok()?;
    Some(until.duration_since(SystemTime::now()).unwrap_or_default())
}
