//! Connections to git's servers: over HTTP, where each request stands alone, or with `git daemon`.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use dhow_registry_client::WebRequest;

use super::error::GitError;
use super::pkt_line::{self, Packet};
use crate::wiring::Remote;

/// How long nothing may come from a daemon.
const IDLE: Duration = Duration::from_secs(60);
const DAEMON_PORT: u16 = 9418;
const VERSION: (&str, &str) = ("git-protocol", "version=2");

/// A connection.
pub(super) enum Transport<'a> {
    Web { remote: &'a Remote, base: String, authorization: Option<String> },
    Daemon { stream: TcpStream, host: String },
}

impl<'a> Transport<'a> {
    /// Connects, and reads what the server can do.
    pub(super) fn open(
        remote: &'a Remote,
        address: &str,
        authorization: Option<&str>,
    ) -> anyhow::Result<(Self, Vec<String>)> {
        match address.split_once("://").map(|(scheme, rest)| (scheme.to_ascii_lowercase(), rest)) {
            Some((scheme, _)) if matches!(scheme.as_str(), "http" | "https") => {
                Self::open_web(remote, address, authorization)
            }
            Some((scheme, rest)) if scheme == "git" => Ok(Self::open_daemon(rest)?),
            Some((scheme, _)) if scheme == "ssh" => Err(GitError::Ssh(without_secret(address)).into()),
            None if address.contains('@') => Err(GitError::Ssh(address.to_owned()).into()),
            _ => Err(GitError::Address(without_secret(address)).into()),
        }
    }

    fn open_web(remote: &'a Remote, address: &str, authorization: Option<&str>) -> anyhow::Result<(Self, Vec<String>)> {
        const PLACE: &str = "/info/refs?service=git-upload-pack";
        let url = format!("{}{PLACE}", address.trim_end_matches('/'));
        let request = WebRequest { url: &url, authorization, headers: &[VERSION], ..WebRequest::default() };
        let mut answer = remote.open(&request)?;
        // A repository that has moved is asked at its new place from now on.
        let base = answer.url().strip_suffix(PLACE).unwrap_or(address).to_owned();
        let capabilities = capabilities(&mut answer, &without_secret(address))?;
        let authorization = authorization.filter(|_| origin(&base) == origin(address)).map(str::to_owned);
        Ok((Self::Web { remote, base, authorization }, capabilities))
    }

    fn open_daemon(rest: &str) -> Result<(Self, Vec<String>), GitError> {
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        let host = if has_port { authority.to_owned() } else { format!("{authority}:{DAEMON_PORT}") };
        let failed = |action| {
            let host = host.clone();
            move |source| GitError::Connection { action, host, source }
        };
        let mut stream = TcpStream::connect(&host).map_err(failed("connect to"))?;
        stream.set_read_timeout(Some(IDLE)).map_err(failed("connect to"))?;
        let mut request = Vec::new();
        pkt_line::line(&mut request, &format!("git-upload-pack /{path}\0host={authority}\0\0version=2\0"));
        stream.write_all(&request).map_err(failed("write to"))?;
        let capabilities = capabilities(&mut stream, &format!("git://{rest}"))?;
        Ok((Self::Daemon { stream, host }, capabilities))
    }

    /// Sends a command; its answer as it comes.
    pub(super) fn ask(&mut self, request: &[u8]) -> anyhow::Result<Box<dyn Read + '_>> {
        match self {
            Self::Web { remote, base, authorization } => {
                let url = format!("{}/git-upload-pack", base.trim_end_matches('/'));
                let headers = [
                    VERSION,
                    ("content-type", "application/x-git-upload-pack-request"),
                    ("accept", "application/x-git-upload-pack-result"),
                ];
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
        }
    }
}

/// Reads the server's first words, of which only those of version 2 are understood.
fn capabilities(stream: &mut dyn Read, address: &str) -> Result<Vec<String>, GitError> {
    let malformed = |error: std::io::Error| GitError::Protocol(error.to_string());
    let mut lines = Vec::new();
    let mut is_second = false;
    loop {
        match pkt_line::read(stream).map_err(malformed)? {
            Packet::Data(bytes) => {
                let text = String::from_utf8_lossy(&bytes).trim_end().to_owned();
                if let Some(reason) = text.strip_prefix("ERR ") {
                    return Err(GitError::Refused(reason.to_owned()));
                }
                is_second |= text == "version 2";
                // The line of the service goes before, in a message of its own.
                if !is_second && !text.starts_with("# service=") {
                    return Err(GitError::OldProtocol(address.to_owned()));
                }
                lines.push(text);
            }
            Packet::Flush if is_second => return Ok(lines),
            Packet::Flush if !lines.is_empty() => {}
            Packet::Flush | Packet::Delimiter => return Err(GitError::OldProtocol(address.to_owned())),
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
    let Some((scheme, rest)) = address.split_once("://") else { return address.to_owned() };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    format!("{scheme}://{}{path}", authority.rsplit_once('@').map_or(authority, |(_, host)| host))
}

#[cfg(test)]
mod tests {
    use super::{capabilities, origin, without_secret};

    #[test]
    fn parts_of_addresses() {
        assert_eq!(origin("https://me:x@e.com:8/a/b.git"), "https://me:x@e.com:8");
        assert_eq!(without_secret("https://me:x@e.com:8/a@b.git"), "https://e.com:8/a@b.git");
        assert_eq!(origin("git://e.com"), "git://e.com");
    }

    #[test]
    fn first_words() {
        let read = |bytes: &[u8]| capabilities(&mut &bytes[..], "git://e.com/x").map_err(|error| error.to_string());
        let web = b"001e# service=git-upload-pack\n0000000eversion 2\n000cls-refs\n0000";
        assert_eq!(read(web).unwrap(), ["# service=git-upload-pack", "version 2", "ls-refs"]);
        assert_eq!(read(&web[34..]).unwrap(), ["version 2", "ls-refs"]);
        assert!(read(b"0014ERR no such repo").unwrap_err().ends_with("no such repo"));
        let old = b"001e# service=git-upload-pack\n000000320123456789012345678901234567890123456789 HEAD\n0000";
        assert!(read(old).unwrap_err().contains("version 2"));
        assert!(read(b"<html>").is_err());
    }
}
