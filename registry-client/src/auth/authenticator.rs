//! Keeps what one registry has asked for and the tokens it was satisfied with.

use std::collections::BTreeMap;

use reqwest::header::{HeaderMap, HeaderValue};
use tokio::sync::Mutex;

use super::challenge::Challenge;
use super::token::{self, Token, TokenRequest, secret_header};
use super::{Credential, Credentials, Scopes};
use crate::endpoint::Endpoint;
use crate::error::{Error, Result};
use crate::transport::Transport;

/// Makes the header `Authorization` for one registry.
pub(crate) struct Authenticator {
    registry: String,
    endpoint: Endpoint,
    credentials: Credentials,
    /// Held while a token is fetched, so that parallel transfers ask for it once.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    challenge: Option<Challenge>,
    tokens: BTreeMap<Scopes, Token>,
    /// By repository, as files may have an entry for each. Asking a helper program takes long.
    credentials: BTreeMap<String, Option<Credential>>,
}

impl Authenticator {
    /// An authenticator for `registry`, which is reached at `endpoint`.
    pub(crate) fn new(registry: &str, endpoint: Endpoint, credentials: Credentials) -> Self {
        Self { registry: registry.to_owned(), endpoint, credentials, state: Mutex::default() }
    }

    /// Remembers the challenge of an answer.
    pub(crate) async fn learn(&self, headers: &HeaderMap) -> Result<()> {
        let unknown = |challenge| Error::UnknownChallenge { registry: self.registry.clone(), challenge };
        if let Some(challenge) = Challenge::from_headers(headers).map_err(unknown)? {
            self.state.lock().await.challenge = Some(challenge);
        }
        Ok(())
    }

    /// The header for a request that needs `scopes` in `repository`; `None` if the registry has not asked for any.
    pub(crate) async fn header(
        &self,
        transport: &Transport,
        repository: &str,
        scopes: &Scopes,
    ) -> Result<Option<HeaderValue>> {
        let mut state = self.state.lock().await;
        let Some(challenge) = state.challenge.clone() else { return Ok(None) };
        let (realm, service) = match &challenge {
            Challenge::Basic => return basic(self.credential(&mut state, repository).await?.as_ref()),
            Challenge::Bearer { realm, service, .. } => (realm, service.as_deref()),
        };
        if let Some(token) = state.tokens.get(scopes).filter(|token| token.is_fresh()) {
            return secret_header("Bearer", &token.text).map(Some);
        }
        let credential = self.credential(&mut state, repository).await?;
        if let Some(Credential::RegistryToken(token)) = &credential {
            return secret_header("Bearer", token).map(Some);
        }
        let request =
            TokenRequest { realm, service, scopes, credential: credential.as_ref(), registry: &self.endpoint };
        let failed = |source| Error::Token { registry: self.registry.clone(), source: Box::new(source) };
        let token = token::fetch(transport, &request).await.map_err(failed)?;
        let header = secret_header("Bearer", &token.text)?;
        state.tokens.insert(scopes.clone(), token);
        Ok(Some(header))
    }

    /// Takes a refusal of `refused` (the header that was sent) into account; says which scopes to try again with.
    pub(crate) async fn refused(
        &self,
        headers: &HeaderMap,
        refused: Option<&HeaderValue>,
        scopes: &Scopes,
    ) -> Result<Retry> {
        self.learn(headers).await?;
        let mut state = self.state.lock().await;
        let Some(challenge) = &state.challenge else { return Ok(Retry::No) };
        if refused.is_some() && *challenge == Challenge::Basic {
            return Ok(Retry::No);
        }
        let asked = scopes.with_challenged(challenge.scope());
        // The token may have ended early, or the same scopes may have been granted meanwhile: forget and ask again.
        state.tokens.remove(&asked);
        state.tokens.remove(scopes);
        Ok(Retry::With(asked))
    }

    async fn credential(&self, state: &mut State, repository: &str) -> Result<Option<Credential>> {
        if let Some(known) = state.credentials.get(repository) {
            return Ok(known.clone());
        }
        let (credentials, registry, name) = (self.credentials.clone(), self.registry.clone(), repository.to_owned());
        let found = crate::blocking::run(move || credentials.find(&registry, &name)).await?;
        state.credentials.insert(repository.to_owned(), found.clone());
        Ok(found)
    }
}

fn basic(credential: Option<&Credential>) -> Result<Option<HeaderValue>> {
    match credential.and_then(Credential::to_basic) {
        Some(basic) => secret_header("Basic", &basic).map(Some),
        None => Ok(None),
    }
}

/// What to do after a refusal.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Retry {
    /// Nothing else can be offered.
    No,
    /// Try again with these scopes.
    With(Scopes),
}
