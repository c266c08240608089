//! Where a registry is reached: from the name in a reference to base URLs. No I/O.
//!
//! Plain HTTP is only ever tried for loopback addresses and for registries that the user named as insecure.

use std::net::IpAddr;

use url::{Host, Url};

use crate::error::{Error, Result};

/// Docker Hub's name in references.
pub(crate) const DOCKER_HUB: &str = "docker.io";
/// The host that serves Docker Hub's protocol.
pub(crate) const DOCKER_HUB_API: &str = "registry-1.docker.io";

/// One way to try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// `scheme://host[:port]/`
    pub(crate) base: Url,
    /// Whether the peer's certificate is checked.
    pub(crate) trust: Trust,
}

/// How far a TLS peer has to prove who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Trust {
    /// By a certificate of a known authority.
    Verified,
    /// Not at all: the user named the registry as insecure.
    Anyone,
}

/// The ways to reach `registry`, in the order in which they are tried.
pub(crate) fn endpoints(registry: &str, insecure: &[String]) -> Result<Vec<Endpoint>> {
    let host = if registry == DOCKER_HUB { DOCKER_HUB_API } else { registry };
    let at = |scheme: &str, trust| -> Result<Endpoint> { Ok(Endpoint { base: base(scheme, host, registry)?, trust }) };
    let secure = at("https", Trust::Verified)?;
    if insecure.iter().any(|name| name == registry) {
        return Ok(vec![at("https", Trust::Anyone)?, at("http", Trust::Verified)?]);
    }
    if is_loopback(&secure.base) {
        return Ok(vec![at("http", Trust::Verified)?, secure]);
    }
    Ok(vec![secure])
}

fn base(scheme: &str, host: &str, registry: &str) -> Result<Url> {
    let invalid = || Error::InvalidRegistry(registry.to_owned());
    let url = Url::parse(&format!("{scheme}://{host}/")).map_err(|_| invalid())?;
    let plain = url.path() == "/" && url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    if plain && !host.contains(['/', '@', '?', '#']) { Ok(url) } else { Err(invalid()) }
}

/// Whether the URL's host is this machine by name or address.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => IpAddr::V4(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).is_loopback(),
        None => false,
    }
}

/// Host and, if it is not the scheme's own, port.
pub(crate) fn host_and_port(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// Whether a header with a secret may go to both.
pub(crate) fn same_origin(a: &Url, b: &Url) -> bool {
    a.scheme() == b.scheme() && a.host_str() == b.host_str() && a.port_or_known_default() == b.port_or_known_default()
}

#[cfg(test)]
mod tests {
    use super::endpoints;

    #[test]
    fn plain_http_is_for_loopback_and_named_registries_only() {
        let insecure = ["lab.example:5000".to_owned()];
        let check = |registry: &str, expected: &[&str]| {
            let found = endpoints(registry, &insecure).expect(registry);
            let found: Vec<&str> = found.iter().map(|endpoint| endpoint.base.as_str()).collect();
            assert_eq!(found, expected);
        };
        check("docker.io", &["https://registry-1.docker.io/"]);
        check("registry.example", &["https://registry.example/"]);
        check("registry.example:443", &["https://registry.example/"]);
        check("localhost:5000", &["http://localhost:5000/", "https://localhost:5000/"]);
        check("127.0.0.9", &["http://127.0.0.9/", "https://127.0.0.9/"]);
        check("[::1]:5000", &["http://[::1]:5000/", "https://[::1]:5000/"]);
        check("128.0.0.1:5000", &["https://128.0.0.1:5000/"]);
        check("localhost.example", &["https://localhost.example/"]);
        check("lab.example:5000", &["https://lab.example:5000/", "http://lab.example:5000/"]);
        check("lab.example", &["https://lab.example/"]);
        for wrong in ["", "a b", "host/path", "user@host", "host:port", "host?x"] {
            assert!(endpoints(wrong, &insecure).is_err(), "{wrong}");
        }
    }
}
