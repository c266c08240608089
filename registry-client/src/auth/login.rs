//! `login` and `logout`: checks a credential against the registry and keeps it where Docker would.

use std::path::{Path, PathBuf};

use super::docker_config::{DockerConfig, Removed};
use super::helper::Helper;
use super::{Credential, Credentials};
use crate::client::Client;
use crate::error::{Error, Result};
use crate::options::ClientOptions;

/// Where a log-in was written to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoginStore {
    /// The config file, in the clear (Base64 is no encryption); its mode is 0600.
    File(PathBuf),
    /// The credential helper of that name.
    Helper(String),
}

/// Checks `credential` against `registry`, then keeps it in the config file at `config` or in the helper that it names.
///
/// # Errors
/// The registry refuses the credential or cannot be reached, or the file or helper fails. Nothing is kept then.
pub async fn login(
    options: &ClientOptions,
    registry: &str,
    credential: Credential,
    config: &Path,
) -> Result<LoginStore> {
    let explicit = Some((registry.to_owned(), credential.clone()));
    let credentials = Credentials { explicit, ..Credentials::default() };
    let client = Client::new(ClientOptions { credentials, ..options.clone() })?;
    client.ping(registry).await.map_err(|error| refusal(registry, error))?;
    let mut file = DockerConfig::read(config)?;
    let Some(name) = helper_name(&file, registry) else {
        file.set(registry, Some(&credential))?;
        file.write(config)?;
        return Ok(LoginStore::File(config.to_owned()));
    };
    let (helper, owned) = (Helper::new(&name), registry.to_owned());
    crate::blocking::run(move || helper.store(&owned, &credential)).await?;
    file.set(registry, None)?;
    file.write(config)?;
    Ok(LoginStore::Helper(name))
}

fn refusal(registry: &str, error: Error) -> Error {
    let refused = |error: &Error| matches!(error.status(), Some(400 | 401 | 403));
    match error {
        Error::Token { source, .. } if refused(&source) => {
            Error::LoginRefused { registry: registry.to_owned(), source }
        }
        error if refused(&error) => Error::LoginRefused { registry: registry.to_owned(), source: Box::new(error) },
        error => error,
    }
}

/// Forgets the credential for `registry`; tells whether there was one in the file or a helper was asked to forget it.
///
/// # Errors
/// The file or the helper fails.
pub async fn logout(registry: &str, config: &Path) -> Result<LoggedOut> {
    let mut file = DockerConfig::read(config)?;
    let helper = helper_name(&file, registry);
    if let Some(name) = &helper {
        let (helper, owned) = (Helper::new(name), registry.to_owned());
        crate::blocking::run(move || helper.erase(&owned)).await?;
    }
    if file.remove(registry)? == Removed::Yes {
        file.write(config)?;
        return Ok(LoggedOut::Removed);
    }
    Ok(if helper.is_some() { LoggedOut::Removed } else { LoggedOut::WasNotLoggedIn })
}

/// What a log-out found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoggedOut {
    /// The credential is gone.
    Removed,
    /// There was none.
    WasNotLoggedIn,
}

fn helper_name(file: &DockerConfig, registry: &str) -> Option<String> {
    file.helper_for(registry).or_else(|| file.default_helper()).map(str::to_owned)
}
