//! Gets bearer tokens (distribution's token authentication: the GET form, and the OAuth2 POST form).

use std::time::{Duration, Instant};

use reqwest::Method;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use serde::Deserialize;
use url::{Url, form_urlencoded};

use super::{Credential, Scopes};
use crate::body::Body;
use crate::endpoint::{Endpoint, is_loopback};
use crate::error::{Error, Result};
use crate::transport::{Call, Transport};

const CLIENT_ID: &str = "dhow";
/// A token without `expires_in` lasts that long.
const DEFAULT_LIFE: Duration = Duration::from_secs(60);
/// A token is renewed that much before its end, so that it does not end under way.
const MARGIN: Duration = Duration::from_secs(10);
const MAX_ANSWER: usize = 1 << 20;

/// A bearer token and when it ends.
#[derive(Clone)]
pub(crate) struct Token {
    pub(crate) text: String,
    renew: Instant,
}

impl Token {
    /// Whether it still lasts for a request.
    pub(crate) fn is_fresh(&self) -> bool {
        Instant::now() < self.renew
    }
}

/// Whom to ask and for what.
pub(crate) struct TokenRequest<'a> {
    pub(crate) realm: &'a str,
    pub(crate) service: Option<&'a str>,
    pub(crate) scopes: &'a Scopes,
    pub(crate) credential: Option<&'a Credential>,
    /// The registry that sent us there.
    pub(crate) registry: &'a Endpoint,
}

#[derive(Deserialize)]
struct Answer {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<u64>,
}

/// Asks the token server.
pub(crate) async fn fetch(transport: &Transport, request: &TokenRequest<'_>) -> Result<Token> {
    let realm = realm(request)?;
    if let Some(Credential::IdentityToken(token)) = request.credential {
        let grant = [("grant_type", "refresh_token"), ("refresh_token", token.as_str())];
        return exchange(transport, &post(realm, request, &grant)?).await;
    }
    match (exchange(transport, &get(realm.clone(), request)?).await, request.credential) {
        // Some token servers know the OAuth2 form only.
        (Err(error), Some(Credential::Basic { username, password })) if matches!(error.status(), Some(404 | 405)) => {
            let grant = [("grant_type", "password"), ("username", username.as_str()), ("password", password.as_str())];
            exchange(transport, &post(realm, request, &grant)?).await
        }
        (answer, _) => answer,
    }
}

/// The token server's URL; plain HTTP only where the registry itself is reached so, or on this machine.
fn realm(request: &TokenRequest<'_>) -> Result<Url> {
    let unusable = |reason: &str| Error::Settings { reason: format!("the token server `{}` {reason}", request.realm) };
    let url = Url::parse(request.realm).map_err(|_| unusable("is no URL"))?;
    match url.scheme() {
        "https" => Ok(url),
        "http" if request.registry.base.scheme() == "http" || is_loopback(&url) => Ok(url),
        _ => Err(unusable("is not reached over HTTPS")),
    }
}

fn get(mut url: Url, request: &TokenRequest<'_>) -> Result<Call> {
    {
        let mut query = url.query_pairs_mut();
        query.extend_pairs(request.service.map(|service| ("service", service)));
        query.extend_pairs(request.scopes.iter().map(|scope| ("scope", scope)));
        query.append_pair("client_id", CLIENT_ID);
        if let Some(Credential::Basic { username, .. }) = request.credential {
            query.append_pair("account", username);
        }
    }
    let mut call = Call::new(Method::GET, url);
    call.trust = request.registry.trust;
    if let Some(basic) = request.credential.and_then(Credential::to_basic) {
        call.headers.insert(AUTHORIZATION, secret_header("Basic", &basic)?);
    }
    Ok(call)
}

fn post(url: Url, request: &TokenRequest<'_>, grant: &[(&str, &str)]) -> Result<Call> {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.extend_pairs(grant).append_pair("client_id", CLIENT_ID).append_pair("scope", &request.scopes.joined());
    form.extend_pairs(request.service.map(|service| ("service", service)));
    let mut call = Call::new(Method::POST, url);
    call.trust = request.registry.trust;
    call.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
    call.body = Body::Bytes(form.finish().into_bytes().into());
    Ok(call)
}

async fn exchange(transport: &Transport, call: &Call) -> Result<Token> {
    let asked = Instant::now();
    let answer = transport.send(call).await?;
    if !answer.status().is_success() {
        return Err(transport.status_error(call.line(), answer).await);
    }
    let document = transport.document(&call.line(), answer, MAX_ANSWER).await?;
    let protocol = |reason: String| Error::Protocol { request: call.line(), reason };
    let answer: Answer = serde_json::from_slice(&document).map_err(|error| protocol(format!("no token: {error}")))?;
    let text = answer.token.or(answer.access_token).filter(|token| !token.is_empty());
    let text = text.ok_or_else(|| protocol("no token in the answer".to_owned()))?;
    let life = answer.expires_in.map_or(DEFAULT_LIFE, Duration::from_secs);
    // One that is short-lived is used for half of its life.
    Ok(Token { text, renew: asked + life.saturating_sub(MARGIN).max(life / 2) })
}

/// A header value that is left out of debug output.
pub(crate) fn secret_header(scheme: &str, secret: &str) -> Result<HeaderValue> {
    let mut value = HeaderValue::try_from(format!("{scheme} {secret}")).map_err(|_| Error::Settings {
        reason: "the credential holds characters that no header may hold".to_owned(),
    })?;
    value.set_sensitive(true);
    Ok(value)
}
