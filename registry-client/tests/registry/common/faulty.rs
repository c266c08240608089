//! A proxy in front of a registry that misbehaves by rule.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use futures_util::{StreamExt as _, TryStreamExt as _, future, stream};

/// A request as the rule sees it.
#[derive(Debug, Clone)]
pub struct Seen {
    pub method: String,
    pub path: String,
    pub query: String,
    pub headers: HeaderMap,
    /// How many requests with the same method and path came before.
    pub before: usize,
}

impl Seen {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub fn is(&self, method: &str, part: &str) -> bool {
        self.method == method && self.path.contains(part)
    }
}

/// What happens to a request.
#[derive(Debug, Clone)]
pub enum Action {
    Pass,
    /// The registry is not asked.
    Answer(u16, Vec<(&'static str, String)>, String),
    /// The connection breaks after so many bytes of the answer's body.
    CutAnswer(usize),
    /// The body ends properly after so many bytes.
    ShortAnswer(usize),
    /// A byte of the answer's body is another.
    CorruptAnswer,
    /// The registry takes the request, but the status is another.
    Status(u16),
    /// The registry receives so many bytes of the request's body before the connection breaks.
    CutRequest(usize),
    /// As `Pass`, but the header `Range` never reaches the registry.
    IgnoreRange,
}

type Rule = Arc<dyn Fn(&Seen) -> Action + Send + Sync>;

struct Proxy {
    upstream: SocketAddr,
    client: reqwest::Client,
    rule: Rule,
    log: Arc<Mutex<Vec<Seen>>>,
}

pub struct Faulty {
    pub address: SocketAddr,
    log: Arc<Mutex<Vec<Seen>>>,
}

impl Faulty {
    pub async fn start(upstream: SocketAddr, rule: impl Fn(&Seen) -> Action + Send + Sync + 'static) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let log: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let proxy = Proxy { upstream, client: super::plain_http(), rule: Arc::new(rule), log: Arc::clone(&log) };
        let router = Router::new()
            .fallback(handle)
            .layer(axum::extract::DefaultBodyLimit::disable())
            .with_state(Arc::new(proxy));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, log }
    }

    /// The requests so far that fit.
    pub fn seen(&self, method: &str, part: &str) -> Vec<Seen> {
        self.log.lock().expect("no panic").iter().filter(|seen| seen.is(method, part)).cloned().collect()
    }
}

async fn handle(State(proxy): State<Arc<Proxy>>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let seen = {
        let mut log = proxy.log.lock().expect("no panic");
        let (method, path) = (parts.method.to_string(), parts.uri.path().to_owned());
        let before = log.iter().filter(|seen| seen.method == method && seen.path == path).count();
        let query = parts.uri.query().unwrap_or_default().to_owned();
        let seen = Seen { method, path, query, headers: parts.headers.clone(), before };
        log.push(seen.clone());
        seen
    };
    let action = (proxy.rule)(&seen);
    if let Action::Answer(status, headers, body) = action {
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = StatusCode::from_u16(status).expect("a status");
        for (name, value) in headers {
            response
                .headers_mut()
                .append(HeaderName::from_static(name), HeaderValue::try_from(value).expect("a value"));
        }
        return response;
    }
    let mut headers = parts.headers;
    headers.remove("host");
    if matches!(action, Action::IgnoreRange) {
        headers.remove("range");
    }
    let body = match action {
        Action::CutRequest(count) => cut(body.into_data_stream().map_err(std::io::Error::other).boxed(), count),
        _ => reqwest::Body::wrap_stream(body.into_data_stream()),
    };
    // As a proxy proper it is sent the whole URL.
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let url = format!("http://{}{path}", proxy.upstream);
    let has_body = headers.contains_key("content-length");
    let mut forward = proxy.client.request(parts.method, url).headers(headers);
    if has_body {
        forward = forward.body(body);
    }
    match forward.send().await {
        Ok(answer) => bend(answer, &action).await,
        // The body broke off on the way: so does the answer.
        Err(_) => Response::new(Body::from_stream(stream::iter([broken::<bytes::Bytes>()]))),
    }
}

async fn bend(answer: reqwest::Response, action: &Action) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = answer.status();
    *response.headers_mut() = answer.headers().clone();
    let is_whole = matches!(action, Action::Pass | Action::Status(_) | Action::IgnoreRange | Action::CutRequest(_));
    if let Action::Status(status) = action {
        *response.status_mut() = StatusCode::from_u16(*status).expect("a status");
    }
    if is_whole {
        *response.body_mut() = Body::from_stream(answer.bytes_stream());
        return response;
    }
    let mut bytes = answer.bytes().await.expect("the answer").to_vec();
    *response.body_mut() = match action {
        Action::CutAnswer(count) => {
            bytes.truncate(*count);
            Body::from_stream(stream::iter([Ok(bytes), broken()]))
        }
        Action::ShortAnswer(count) => {
            bytes.truncate(*count);
            response.headers_mut().remove("content-length");
            Body::from(bytes)
        }
        _ => {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            Body::from(bytes)
        }
    };
    response
}

fn broken<T>() -> Result<T, std::io::Error> {
    Err(std::io::Error::other("cut"))
}

fn cut(body: stream::BoxStream<'static, Result<bytes::Bytes, std::io::Error>>, count: usize) -> reqwest::Body {
    let kept = body.scan(count, |left, chunk| {
        let kept = chunk.map(|chunk| chunk.slice(..chunk.len().min(*left)));
        *left -= kept.as_ref().map_or(0, bytes::Bytes::len);
        future::ready(Some(kept))
    });
    let kept = kept.take_while(|chunk| future::ready(chunk.as_ref().is_ok_and(|chunk| !chunk.is_empty())));
    // Time for what was kept to reach the registry before the end does.
    let end = stream::once(async {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        broken()
    });
    reqwest::Body::wrap_stream(kept.chain(end))
}
