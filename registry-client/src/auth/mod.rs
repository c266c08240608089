//! Who we are to a registry: challenges, tokens and where credentials are kept.

mod authenticator;
mod challenge;
mod credential;
mod credentials;
mod docker_config;
mod helper;
mod login;
mod scope;
mod token;

pub(crate) use authenticator::Authenticator;
pub(crate) use authenticator::Retry;
pub use credential::Credential;
pub use credentials::Credentials;
pub use login::{LoggedOut, LoginStore, login, logout};
pub(crate) use scope::{Access, Scopes};
