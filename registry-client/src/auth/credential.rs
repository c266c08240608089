//! A secret and how it is presented.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// What proves who we are. It is never part of a message: `Debug` leaves the secret out.
#[derive(Clone, PartialEq, Eq)]
pub enum Credential {
    /// User name and password, or an access token in the password's place.
    Basic {
        /// The user.
        username: String,
        /// The password.
        password: String,
    },
    /// An OAuth2 refresh token (`identitytoken` in config.json), exchanged at the token server.
    IdentityToken(String),
    /// A bearer token that is presented as it is (`registrytoken` in config.json).
    RegistryToken(String),
}

impl Credential {
    /// From the form of config.json's `auth`: Base64 of `user:password`.
    pub(crate) fn from_basic(encoded: &str) -> Option<Self> {
        // Docker pads the decoded text with NULs in some versions.
        let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
        let (username, password) = decoded.trim_end_matches('\0').split_once(':')?;
        Some(Self::Basic { username: username.to_owned(), password: password.to_owned() })
    }

    /// Base64 of `user:password`; `None` for tokens.
    pub(crate) fn to_basic(&self) -> Option<String> {
        match self {
            Self::Basic { username, password } => Some(STANDARD.encode(format!("{username}:{password}"))),
            Self::IdentityToken(_) | Self::RegistryToken(_) => None,
        }
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Basic { username, .. } => write!(f, "Basic({username}, …)"),
            Self::IdentityToken(_) => f.write_str("IdentityToken(…)"),
            Self::RegistryToken(_) => f.write_str("RegistryToken(…)"),
        }
    }
}
