//! What a caller sets once for all connections. Values only: nothing here reads the environment.

use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use crate::auth::Credentials;

/// All settings of a [`crate::Client`].
#[derive(Debug, Clone)]
pub struct ClientOptions {
    /// Where user names, passwords and tokens come from.
    pub credentials: Credentials,
    /// Whom to trust, and how to prove who we are.
    pub tls: TlsOptions,
    /// Registries (`host[:port]`) whose certificate is not checked and that may speak plain HTTP. Loopback needs no entry.
    pub insecure: Vec<String>,
    /// The way out of this network.
    pub proxies: ProxyOptions,
    /// How often a failed request is repeated.
    pub retry: RetryPolicy,
    /// How long to wait.
    pub timeouts: Timeouts,
    /// The header `User-Agent`.
    pub user_agent: String,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            credentials: Credentials::default(),
            tls: TlsOptions::default(),
            insecure: Vec::new(),
            proxies: ProxyOptions::default(),
            retry: RetryPolicy::default(),
            timeouts: Timeouts::default(),
            user_agent: concat!("dhow/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}

/// Certificates. With no bundle found, Mozilla's roots that are compiled in are trusted.
#[derive(Debug, Clone)]
pub struct TlsOptions {
    /// PEM bundles of authorities; the first that exists is used. The default lists the places of the Linux distributions;
    /// a caller puts the value of `SSL_CERT_FILE` before them.
    pub bundles: Vec<PathBuf>,
    /// Directories with a subdirectory for each `host[:port]` of `*.crt` (authorities to trust for that host), and of
    /// `*.cert` with `*.key` (our own certificate): Docker's `certs.d`.
    pub certs_dirs: Vec<PathBuf>,
}

impl Default for TlsOptions {
    fn default() -> Self {
        let bundles = [
            "/etc/ssl/certs/ca-certificates.crt",
            "/etc/pki/tls/certs/ca-bundle.crt",
            "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
            "/etc/ssl/ca-bundle.pem",
            "/etc/ssl/cert.pem",
        ];
        let certs_dirs = ["/etc/docker/certs.d", "/etc/containers/certs.d"];
        Self { bundles: bundles.map(PathBuf::from).to_vec(), certs_dirs: certs_dirs.map(PathBuf::from).to_vec() }
    }
}

/// Proxies, as the variables `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY` would name them. Loopback is always reached directly.
#[derive(Debug, Clone, Default)]
pub struct ProxyOptions {
    /// For plain HTTP.
    pub http: Option<Url>,
    /// For HTTPS.
    pub https: Option<Url>,
    /// Hosts that are reached directly, separated by commas.
    pub no_proxy: String,
}

/// Repetition of requests that failed for a passing reason: no connection, 408, 429 and most of 5xx.
#[derive(Debug, Clone, Copy)]
pub struct RetryPolicy {
    /// Tries in all, at least 1. Progress of a transfer starts the count anew.
    pub attempts: u32,
    /// The wait before the second try; it doubles with every further one.
    pub first_wait: Duration,
    /// The longest wait. A `Retry-After` of up to ten times as much is honoured too; a longer one is an error.
    pub longest_wait: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { attempts: 5, first_wait: Duration::from_millis(200), longest_wait: Duration::from_secs(10) }
    }
}

/// There is no limit to how long a transfer takes as a whole, only to how long nothing may move.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// For a connection to come about.
    pub connect: Duration,
    /// For the next bytes of an answer.
    pub idle: Duration,
    /// For the answer to an upload, in which the registry stores what it received.
    pub commit: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { connect: Duration::from_secs(15), idle: Duration::from_secs(60), commit: Duration::from_secs(600) }
    }
}
