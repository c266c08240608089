//! Connections to git's servers: over HTTP, where each request stands alone, with `git daemon`, or by SSH.

use std::io::{Read, Write};

use dhow_registry_client::WebRequest;

use super::error::GitError;
use super::greeting::{Advertisement, Greeting};
use super::pkt_line;
use crate::ssh::{SshAddress, SshStream};
use crate::wiring::{Remote, Socket};

const DAEMON_PORT: u16 = 9418;
const VERSION: (&str, &str) = ("git-protocol", "version=2");

/// A repository, and with what it is reached.
#[derive(Clone, Copy)]
pub(super) struct Address<'a> {
    pub(super) remote: &'a Remote,
    /// As it was written.
    pub(super) url: &'a str,
    /// The value of the header `Authorization`.
    pub(super) authorization: Option<&'a str>,
}

/// A connection.
pub(super) enum Transport<'a> {
    Web { remote: &'a Remote, base: String, authorization: Option<String>, version: Option<(&'static str, &'a str)> },
    Daemon { stream: Socket, host: String },
    Ssh { stream: Box<SshStream>, host: String },
}

impl<'a> Transport<'a> {
    /// Connects, and reads the server's first words.
    pub(super) fn open(address: &Address<'a>) -> anyhow::Result<(Self, Greeting)> {
        let url = address.url;
        match url.split_once("://").map(|(scheme, rest)| (scheme.to_ascii_lowercase(), rest)) {
            Some((scheme, _)) if matches!(scheme.as_str(), "http" | "https") => Self::open_web(address),
            Some((scheme, rest)) if scheme == "git" => Ok(Self::open_daemon(rest)?),
            _ => match SshAddress::parse(url) {
                Some(place) => Ok(Self::open_ssh(address, &place)?),
                None => Err(GitError::Address(without_secret(url)).into()),
            },
        }
    }

    fn open_ssh(address: &Address<'a>, place: &SshAddress) -> Result<(Self, Greeting), GitError> {
        let mut stream = address.remote.ssh().serve(place, ("GIT_PROTOCOL", "version=2"))?;
        let host = format!("{}:{}", place.host, place.port);
        match Greeting::read(&mut stream, &without_secret(address.url)) {
            Ok(greeting) => Ok((Self::Ssh { stream: Box::new(stream), host }, greeting)),
            // What the server's command says to people tells more than that it has said nothing else.
            Err(error) => match stream.errors() {
                words if words.is_empty() => Err(error),
                words => Err(GitError::Refused(words)),
            },
        }
    }

    fn open_web(address: &Address<'a>) -> anyhow::Result<(Self, Greeting)> {
        const PLACE: &str = "/info/refs?service=git-upload-pack";
        let Address { remote, url: place, authorization } = *address;
        let url = format!("{}{PLACE}", place.trim_end_matches('/'));
        let request = WebRequest { url: &url, authorization, headers: &[VERSION], ..WebRequest::default() };
        let mut answer = remote.open(&request)?;
        // A repository that has moved is asked at its new place from now on.
        let base = answer.url().strip_suffix(PLACE).unwrap_or(place).to_owned();
        let greeting = Greeting::read(&mut answer, &without_secret(place))?;
        let authorization = authorization.filter(|_| origin(&base) == origin(place)).map(str::to_owned);
        let version = matches!(greeting, Greeting::Two(_)).then_some(VERSION);
        Ok((Self::Web { remote, base, authorization, version }, greeting))
    }

    fn open_daemon(rest: &str) -> Result<(Self, Greeting), GitError> {
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let with_port = authority.rsplit_once(':').and_then(|(name, port)| Some((name, port.parse::<u16>().ok()?)));
        let (name, port) = with_port.unwrap_or((authority, DAEMON_PORT));
        let host = format!("{name}:{port}");
        let name = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
        let failed = |action| {
            let host = host.clone();
            move |source| GitError::Connection { action, host, source }
        };
        let mut stream = Socket::connect((name, port)).map_err(failed("connect to"))?;
        let mut request = Vec::new();
        pkt_line::line(&mut request, &format!("git-upload-pack /{path}\0host={authority}\0\0version=2\0"));
        stream.write_all(&request).map_err(failed("write to"))?;
        let greeting = Greeting::read(&mut stream, &format!("git://{rest}"))?;
        Ok((Self::Daemon { stream, host }, greeting))
    }

    /// Sends a command; its answer as it comes.
    pub(super) fn ask(&mut self, request: &[u8]) -> anyhow::Result<Box<dyn Read + '_>> {
        match self {
            Self::Web { remote, base, authorization, version } => {
                let url = format!("{}/git-upload-pack", base.trim_end_matches('/'));
                let mut headers = vec![
                    ("content-type", "application/x-git-upload-pack-request"),
                    ("accept", "application/x-git-upload-pack-result"),
                ];
                headers.extend(*version);
                let authorization = authorization.as_deref();
                let request =
                    WebRequest { url: &url, authorization, headers: &headers, body: Some(request), etag: None };
                Ok(Box::new(remote.open(&request)?))
            }
            Self::Daemon { stream, host } => {
                let failed = |source| GitError::Connection { action: "write to", host: host.clone(), source };
                stream.write_all(request).map_err(failed)?;
                Ok(Box::new(stream))
            }
            Self::Ssh { stream, host } => {
                let failed = |source| GitError::Connection { action: "write to", host: host.clone(), source };
                stream.write_all(request).map_err(failed)?;
                Ok(Box::new(stream))
            }
        }
    }

    /// The name by which `server`, of an older version, gives out the object `id`: its own, or that of its tag.
    ///
    /// # Errors
    /// [`GitError::NotGivenByName`]: it would end the connection, often without a word.
    pub(super) fn old_name(&self, server: &Advertisement, id: &str) -> Result<String, GitError> {
        let is_free = server.can("allow-reachable-sha1-in-want") || server.can("allow-tip-sha1-in-want");
        let tag = || server.refs.iter().find(|known| known.peeled.as_deref() == Some(id));
        match server.refs.iter().any(|known| known.id == id) {
            true => Ok(id.to_owned()),
            false if is_free => Ok(id.to_owned()),
            false => match (tag(), self) {
                (Some(tag), _) => Ok(tag.id.clone()),
                // Where each request stands alone a reference can have moved since, so that servers look further.
                (None, Self::Web { .. }) => Ok(id.to_owned()),
                (None, Self::Daemon { .. } | Self::Ssh { .. }) => Err(GitError::NotGivenByName(id.to_owned())),
            },
        }
    }
}

/// Scheme, host and port.
pub(super) fn origin(address: &str) -> &str {
    let start = address.find("://").map_or(0, |at| at + 3);
    let end = address[start..].find('/').map_or(address.len(), |at| start + at);
    &address[..end]
}

/// The address without `user:password@`.
pub(super) fn without_secret(address: &str) -> String {
    // Before the `@` of `user@host:path` and of SSH stands no secret, but who logs in.
    let Some((scheme, rest)) = address.split_once("://") else { return address.to_owned() };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    format!("{scheme}://{}{path}", authority.rsplit_once('@').map_or(authority, |(_, host)| host))
}

#[cfg(test)]
mod tests {
    use super::{origin, without_secret};

    #[test]
    fn parts_of_addresses() {
        assert_eq!(origin("https://me:x@e.com:8/a/b.git"), "https://me:x@e.com:8");
        assert_eq!(without_secret("https://me:x@e.com:8/a@b.git"), "https://e.com:8/a@b.git");
        assert_eq!(origin("git://e.com"), "git://e.com");
    }
}
