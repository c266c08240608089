//! What can go wrong between this machine and a registry, and the remedy for each.
//!
//! A failed request is named by its method and its URL without the query, in which object storage keeps signatures.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use dhow_layer_store::oci::{Digest, Reference};
use reqwest::Method;
use url::Url;

use crate::api_error::ApiError;
use crate::hint;

/// The result of every operation of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// A request as messages show it: method and URL, without user, password and query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestLine {
    method: String,
    url: String,
    host: String,
}

impl RequestLine {
    /// The line for `method` and `url`.
    pub(crate) fn new(method: &Method, url: &Url) -> Self {
        let mut shown = url.clone();
        // Cannot fail for http and https URLs; were it to, the query is still cut below.
        let _ = shown.set_username("");
        let _ = shown.set_password(None);
        shown.set_query(None);
        shown.set_fragment(None);
        Self { method: method.to_string(), url: shown.to_string(), host: crate::endpoint::host_and_port(url) }
    }

    /// Host name and port that the request went to.
    pub fn host(&self) -> &str {
        &self.host
    }
}

impl fmt::Display for RequestLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.url)
    }
}

/// Why no connection came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectFailure {
    /// Nothing listens there.
    Refused,
    /// The name has no address.
    UnknownHost,
    /// No answer in time.
    TimedOut,
    /// The peer does not speak TLS.
    NotTls,
    /// The peer's certificate is signed by nobody that is trusted here.
    UnknownIssuer,
    /// The certificate has expired, or is not valid yet.
    OutsideValidity,
    /// The certificate is for other names.
    WrongName,
    /// Anything else, told by the source.
    Other,
}

impl fmt::Display for ConnectFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refused => "the connection was refused",
            Self::UnknownHost => "the host's name has no address",
            Self::TimedOut => "no answer in time",
            Self::NotTls => "the server does not speak TLS",
            Self::UnknownIssuer => "the server's certificate is signed by an unknown authority",
            Self::OutsideValidity => "the server's certificate is not valid at this time",
            Self::WrongName => "the server's certificate is for another name",
            Self::Other => "the connection failed",
        })
    }
}

/// An answer with a status that the operation does not expect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusError {
    /// What was asked.
    pub request: RequestLine,
    /// The HTTP status.
    pub status: u16,
    /// The errors of the answer's body (distribution-spec, "Error Codes").
    pub errors: Vec<ApiError>,
    /// How long the server asks to wait.
    pub retry_after: Option<Duration>,
}

impl StatusError {
    /// Whether the answer holds the spec's error `code`.
    pub fn has_code(&self, code: &str) -> bool {
        self.errors.iter().any(|error| error.code == code)
    }
}

impl fmt::Display for StatusError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` was answered with {}", self.request, self.status)?;
        if let Some(reason) = reqwest::StatusCode::from_u16(self.status).ok().and_then(|s| s.canonical_reason()) {
            write!(f, " ({})", reason.to_lowercase())?;
        }
        self.errors.iter().try_for_each(|error| write!(f, ": {error}"))
    }
}

/// What failed. The texts name the thing; [`Error::hint`] names the remedy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No connection to the host.
    #[error("`{request}` failed: {failure}")]
    Connect {
        /// What was asked.
        request: RequestLine,
        /// Why.
        failure: ConnectFailure,
        /// The transport's own words.
        #[source]
        source: Option<reqwest::Error>,
    },
    /// The connection broke while a request or its answer was under way.
    #[error("`{request}` broke off")]
    Broken {
        /// What was asked.
        request: RequestLine,
        /// The transport's own words.
        #[source]
        source: reqwest::Error,
    },
    /// Nothing moved for too long.
    #[error("`{request}` stalled: nothing moved for {} seconds", idle.as_secs())]
    Stalled {
        /// What was asked.
        request: RequestLine,
        /// How long nothing moved.
        idle: Duration,
    },
    /// The server answered with an error.
    #[error("{0}")]
    Status(Box<StatusError>),
    /// The server's answer breaks the protocol.
    #[error("`{request}` was answered against the protocol: {reason}")]
    Protocol {
        /// What was asked.
        request: RequestLine,
        /// What is wrong with the answer.
        reason: String,
    },
    /// No token could be had.
    #[error("cannot get a token for the registry `{registry}`")]
    Token {
        /// The registry that asks for one.
        registry: String,
        /// What went wrong at the token server.
        #[source]
        source: Box<Error>,
    },
    /// A web server that is no registry failed us.
    #[error(transparent)]
    Web(Box<Error>),
    /// The registry asks for a way to authenticate that dhow does not know.
    #[error("the registry `{registry}` asks for unknown authentication: `{challenge}`")]
    UnknownChallenge {
        /// The registry.
        registry: String,
        /// Its `WWW-Authenticate` header.
        challenge: String,
    },
    /// The name is not a registry's.
    #[error("`{0}` is not a registry's host name with an optional port")]
    InvalidRegistry(String),
    /// The options for connections are wrong.
    #[error("the connection settings are wrong: {reason}")]
    Settings {
        /// What is wrong with them.
        reason: String,
    },
    /// A certificate or key cannot be used.
    #[error("cannot use the certificate or key `{}`: {reason}", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A file of credentials cannot be used.
    #[error("cannot use the credentials in `{origin}`: {reason}")]
    Credentials {
        /// File or variable.
        origin: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A credential helper failed.
    #[error("the credential helper `{program} {operation}` failed: {reason}")]
    CredentialHelper {
        /// The program.
        program: String,
        /// `get`, `store` or `erase`.
        operation: &'static str,
        /// Its message, or why it did not run.
        reason: String,
    },
    /// Received bytes are not the ones that were asked for.
    #[error("`{subject}` is corrupt: expected {expected}, received {actual}")]
    Corrupt {
        /// What was received.
        subject: String,
        /// The digest or size that was promised.
        expected: String,
        /// What came.
        actual: String,
    },
    /// A document is not JSON of the expected shape.
    #[error("the {document} of `{reference}` cannot be read")]
    Document {
        /// Which document.
        document: &'static str,
        /// Of which image.
        reference: Box<Reference>,
        /// Where it goes wrong.
        #[source]
        source: serde_json::Error,
    },
    /// The manifest is of Docker's schema 1.
    #[error("`{0}` is an image of Docker's schema 1, which is not supported")]
    Schema1(Box<Reference>),
    /// What the reference names is no container image.
    #[error("`{reference}` is not a container image: {reason}")]
    NotAnImage {
        /// The reference.
        reference: Box<Reference>,
        /// What it is.
        reason: String,
    },
    /// The index has no image for the platform.
    #[error("`{reference}` has no image for `{wanted}`: it has {}", listed(available))]
    NoPlatform {
        /// The reference.
        reference: Box<Reference>,
        /// The platform that was asked for.
        wanted: String,
        /// The platforms that there are.
        available: Vec<String>,
    },
    /// The registry has no such blob.
    #[error("the blob {digest} is not in `{repository}`")]
    BlobMissing {
        /// The blob.
        digest: Digest,
        /// Registry and repository.
        repository: String,
    },
    /// The registry does not accept a credential.
    #[error("the registry `{registry}` refused the user name or password")]
    LoginRefused {
        /// The registry.
        registry: String,
        /// Its answer.
        #[source]
        source: Box<Error>,
    },
    /// The local store failed.
    #[error("the local store failed")]
    Store(#[from] dhow_layer_store::Error),
    /// A local file or socket failed.
    #[error("cannot {operation} `{subject}`")]
    Io {
        /// What was to be done.
        operation: &'static str,
        /// To which file or address.
        subject: String,
        /// Why it failed.
        #[source]
        source: std::io::Error,
    },
}

impl Error {
    /// The remedy, as a sentence for the user.
    pub fn hint(&self) -> Option<String> {
        hint::of(self)
    }

    /// The HTTP status, if the server answered with an error.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Status(error) => Some(error.status),
            Self::Web(error) => error.status(),
            _ => None,
        }
    }

    /// Whether the same request may succeed a moment later.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Connect { failure, .. } => {
                matches!(failure, ConnectFailure::Refused | ConnectFailure::TimedOut | ConnectFailure::Other)
            }
            Self::Broken { .. } | Self::Stalled { .. } => true,
            Self::Status(error) => matches!(error.status, 408 | 429 | 500 | 502 | 503 | 504),
            _ => false,
        }
    }

    /// How long the server asked to wait before the next try.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status(error) => error.retry_after,
            _ => None,
        }
    }
}

fn listed(platforms: &[String]) -> String {
    if platforms.is_empty() { "no platform at all".to_owned() } else { format!("`{}`", platforms.join("`, `")) }
}
