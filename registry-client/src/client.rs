//! The registries that one program talks to: connects to each once, and sends requests with what it asks for.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use dhow_layer_store::oci::Reference;
use reqwest::header::AUTHORIZATION;
use reqwest::{Method, Response, StatusCode};
use tokio::sync::OnceCell;
use url::Url;

use crate::auth::{Authenticator, Retry, Scopes};
use crate::endpoint::{Endpoint, endpoints, same_origin};
use crate::error::{ConnectFailure, Error, Result};
use crate::options::ClientOptions;
use crate::paging;
use crate::repository::Repository;
use crate::retry::Attempts;
use crate::transport::{Call, Repeat, Transport};

/// A client of any number of registries. Clones share connections and tokens.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

struct Shared {
    transport: Transport,
    registries: Mutex<HashMap<String, Arc<OnceCell<Arc<Registry>>>>>,
}

/// A registry that was reached.
pub(crate) struct Registry {
    pub(crate) name: String,
    pub(crate) endpoint: Endpoint,
    auth: Authenticator,
}

impl Client {
    /// A client; nothing is connected yet. It works inside of a tokio runtime only.
    ///
    /// # Errors
    /// The options contradict each other.
    pub fn new(options: ClientOptions) -> Result<Self> {
        if options.retry.attempts == 0 {
            return Err(Error::Settings { reason: "at least one attempt is needed".to_owned() });
        }
        let shared = Shared { transport: Transport::new(options), registries: Mutex::default() };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Whether the registry (`host[:port]`) speaks the protocol and accepts our credential (distribution-spec, end-1).
    ///
    /// # Errors
    /// It cannot be reached, or it refuses.
    pub async fn ping(&self, registry: &str) -> Result<()> {
        let registry = self.registry(registry).await?;
        let call = Call::new(Method::GET, registry.url("")?);
        self.send_expecting(&registry, Need::of(&Scopes::none()), call).await?;
        Ok(())
    }

    /// The repository that a reference names; connects to its registry if that has not happened yet.
    ///
    /// # Errors
    /// The registry cannot be reached.
    pub async fn repository(&self, reference: &Reference) -> Result<Repository> {
        let registry = self.registry(reference.registry()).await?;
        Ok(Repository::new(self.clone(), registry, reference.repository()))
    }

    /// The names of all repositories (not in the spec; `GET /v2/_catalog`), following pages.
    ///
    /// # Errors
    /// The registry cannot be reached or refuses; public ones do.
    pub async fn catalog(&self, registry: &str) -> Result<Vec<String>> {
        let registry = self.registry(registry).await?;
        let first = registry.url("_catalog?n=1000")?;
        paging::all(self, &registry, Need::of(&Scopes::catalog()), (first, "repositories")).await
    }

    pub(crate) fn transport(&self) -> &Transport {
        &self.shared.transport
    }

    async fn registry(&self, name: &str) -> Result<Arc<Registry>> {
        let cell = {
            let mut registries = self.shared.registries.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(registries.entry(name.to_owned()).or_default())
        };
        cell.get_or_try_init(|| self.connect(name)).await.cloned()
    }

    async fn connect(&self, name: &str) -> Result<Arc<Registry>> {
        let candidates = endpoints(name, &self.transport().options().insecure)?;
        let mut error_to_tell = None;
        for (index, endpoint) in candidates.iter().enumerate() {
            let error = match self.probe(name, endpoint).await {
                Ok(registry) => return Ok(Arc::new(registry)),
                Err(error) => error,
            };
            if index + 1 < candidates.len() && !may_speak_other_scheme(&error) {
                return Err(error);
            }
            // A certificate that is refused says more than a wrong scheme.
            if error_to_tell.is_none() || is_about_certificate(&error) {
                error_to_tell = Some(error);
            }
        }
        Err(error_to_tell.unwrap_or_else(|| Error::InvalidRegistry(name.to_owned())))
    }

    /// Asks for the protocol's root, which tells the scheme and how to authenticate in one go.
    async fn probe(&self, name: &str, endpoint: &Endpoint) -> Result<Registry> {
        let auth = Authenticator::new(name, endpoint.clone(), self.transport().options().credentials.clone());
        let registry = Registry { name: name.to_owned(), endpoint: endpoint.clone(), auth };
        let mut call = Call::new(Method::GET, registry.url("")?);
        (call.trust, call.repeat) = (endpoint.trust, Repeat::Never);
        let mut attempts = Attempts::new(self.transport().options().retry);
        loop {
            let failure = match self.transport().send(&call).await {
                Ok(answer) if answer.status().is_success() || matches!(answer.status().as_u16(), 401 | 403) => {
                    registry.auth.learn(answer.headers()).await?;
                    return Ok(registry);
                }
                Ok(answer) => self.transport().status_error(call.line(), answer).await,
                // Waiting for a registry that is not there helps nobody.
                Err(error @ Error::Connect { failure: ConnectFailure::Refused | ConnectFailure::Other, .. }) => {
                    return Err(error);
                }
                Err(error @ Error::Broken { .. }) => return Err(error),
                Err(error) => error,
            };
            attempts.wait_after(failure).await?;
        }
    }

    /// Sends a request with the token that it needs; a refused token is renewed once.
    pub(crate) async fn send(&self, registry: &Registry, need: Need<'_>, mut call: Call) -> Result<Response> {
        // An upload may be sent to another host, which our secret is not for.
        if !same_origin(&call.url, &registry.endpoint.base) {
            return self.transport().send(&call).await;
        }
        call.trust = registry.endpoint.trust;
        let mut scopes = need.scopes.clone();
        let mut renewals = 2;
        loop {
            let header = registry.auth.header(self.transport(), need.repository, &scopes).await?;
            call.headers.remove(AUTHORIZATION);
            call.headers.extend(header.clone().map(|header| (AUTHORIZATION, header)));
            let answer = self.transport().send(&call).await?;
            if answer.status() != StatusCode::UNAUTHORIZED || renewals == 0 {
                return Ok(answer);
            }
            renewals -= 1;
            match registry.auth.refused(answer.headers(), header.as_ref(), &scopes).await? {
                Retry::No => return Ok(answer),
                Retry::With(more) => scopes = more,
            }
        }
    }

    /// Like `send`, but every status that does not mean success is an error.
    pub(crate) async fn send_expecting(&self, registry: &Registry, need: Need<'_>, call: Call) -> Result<Response> {
        let line = call.line();
        let answer = self.send(registry, need, call).await?;
        if answer.status().is_success() { Ok(answer) } else { Err(self.transport().status_error(line, answer).await) }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

/// The rights that a request needs, and the repository whose credential is to be used.
#[derive(Clone, Copy)]
pub(crate) struct Need<'a> {
    pub(crate) repository: &'a str,
    pub(crate) scopes: &'a Scopes,
}

impl<'a> Need<'a> {
    /// Rights in the registry as such.
    pub(crate) fn of(scopes: &'a Scopes) -> Self {
        Self { repository: "", scopes }
    }
}

impl Registry {
    /// A URL of the protocol: `path` is below `/v2/`.
    pub(crate) fn url(&self, path: &str) -> Result<Url> {
        let url = self.endpoint.base.join(&format!("v2/{path}"));
        url.map_err(|_| Error::InvalidRegistry(self.name.clone()))
    }
}

fn is_about_certificate(error: &Error) -> bool {
    use ConnectFailure::{OutsideValidity, UnknownIssuer, WrongName};
    matches!(error, Error::Connect { failure: UnknownIssuer | OutsideValidity | WrongName, .. })
}

/// Whether the registry may just speak HTTPS instead of HTTP or the other way round, perhaps on that scheme's own port.
fn may_speak_other_scheme(error: &Error) -> bool {
    match error {
        Error::Connect { .. } | Error::Broken { .. } => true,
        Error::Status(status) => status.status == 400,
        _ => false,
    }
}
