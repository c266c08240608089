//! The two commands of protocol version 2 that dhow needs: `ls-refs` and `fetch` (gitprotocol-v2(5)).

use std::io::{self, BufReader, Read};

use dhow_layer_store::StagingDir;

use super::error::GitError;
use super::pack::Pack;
use super::pkt_line::{self, Packet, delimiter, flush, line};
use super::transport::Transport;
use crate::wiring::Remote;

const AGENT: &str = concat!("agent=dhow/", env!("CARGO_PKG_VERSION"));

/// A reference of the repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RemoteRef {
    /// Its full name.
    pub(super) name: String,
    /// What it names.
    pub(super) id: String,
    /// What an annotated tag stands for.
    pub(super) peeled: Option<String>,
}

/// A connection to one repository.
pub(super) struct Session<'a> {
    transport: Transport<'a>,
    /// Whether the server sends commits without their past.
    is_shallow: bool,
    /// Whether it leaves out objects that are not wanted.
    is_filtering: bool,
}

/// What a fetch brings.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    /// The commit's name.
    pub(super) commit: &'a str,
    /// Which of its objects.
    pub(super) objects: Objects,
}

/// Which objects of a commit are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Objects {
    /// All.
    All,
    /// The commit alone; more may come.
    Commit,
}

impl<'a> Session<'a> {
    /// Connects to the repository at `address`.
    pub(super) fn open(remote: &'a Remote, address: &str, authorization: Option<&str>) -> anyhow::Result<Self> {
        let (transport, capabilities) = Transport::open(remote, address, authorization)?;
        let value = |name: &str| capabilities.iter().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        match value("object-format") {
            None | Some("sha1") => {}
            Some(other) => return Err(GitError::ObjectFormat(other.to_owned()).into()),
        }
        let can = |feature: &str| value("fetch").is_some_and(|all| all.split(' ').any(|one| one == feature));
        let (is_shallow, is_filtering) = (can("shallow"), can("filter"));
        Ok(Self { transport, is_shallow, is_filtering })
    }

    /// Those of the references `names` that there are.
    pub(super) fn refs(&mut self, names: &[String]) -> anyhow::Result<Vec<RemoteRef>> {
        let mut request = Vec::new();
        line(&mut request, "command=ls-refs\n");
        line(&mut request, AGENT);
        delimiter(&mut request);
        line(&mut request, "peel\n");
        for name in names {
            line(&mut request, &format!("ref-prefix {name}\n"));
        }
        flush(&mut request);
        let mut answer = self.transport.ask(&request)?;
        let mut refs = Vec::new();
        while let Packet::Data(bytes) = pkt_line::read(&mut answer).map_err(broken)? {
            refs.push(parse_ref(&String::from_utf8_lossy(&bytes))?);
        }
        Ok(refs)
    }

    /// Objects of a commit, in a pack below `scratch`.
    pub(super) fn fetch(&mut self, wanted: Wanted<'_>, scratch: StagingDir) -> anyhow::Result<Pack> {
        let mut request = Vec::new();
        line(&mut request, "command=fetch");
        line(&mut request, AGENT);
        delimiter(&mut request);
        line(&mut request, "no-progress");
        line(&mut request, "ofs-delta");
        if self.is_shallow {
            line(&mut request, "deepen 1");
        }
        if wanted.objects == Objects::Commit && self.is_filtering {
            line(&mut request, "filter tree:0");
        }
        line(&mut request, &format!("want {}\n", wanted.commit));
        line(&mut request, "done\n");
        flush(&mut request);
        let mut answer = self.transport.ask(&request)?;
        find_pack(&mut answer)?;
        let mut stream = BufReader::new(Sideband { stream: answer, chunk: Vec::new(), at: 0 });
        Ok(Pack::receive(&mut stream, scratch)?)
    }
}

/// `<id> <name>[ peeled:<id>]`, or a refusal.
fn parse_ref(text: &str) -> Result<RemoteRef, GitError> {
    let text = text.trim_end();
    if let Some(reason) = text.strip_prefix("ERR ") {
        return Err(GitError::Refused(reason.to_owned()));
    }
    let mut words = text.split(' ');
    let (Some(id), Some(name)) = (words.next().filter(|id| super::is_commit(id)), words.next()) else {
        return Err(GitError::Protocol(format!("`{text}` is no reference")));
    };
    let peeled = words.find_map(|word| word.strip_prefix("peeled:")).map(str::to_owned);
    Ok(RemoteRef { name: name.to_owned(), id: id.to_owned(), peeled })
}

/// Passes over the parts of an answer that come before the pack.
fn find_pack(stream: &mut dyn Read) -> Result<(), GitError> {
    loop {
        match pkt_line::read(stream).map_err(broken)? {
            Packet::Data(bytes) => {
                let text = String::from_utf8_lossy(&bytes);
                match text.trim_end() {
                    "packfile" => return Ok(()),
                    text => match text.strip_prefix("ERR ") {
                        Some(reason) => return Err(GitError::Refused(reason.to_owned())),
                        None => continue,
                    },
                }
            }
            Packet::Delimiter => {}
            Packet::Flush => return Err(GitError::Protocol("no pack in the answer".to_owned())),
        }
    }
}

fn broken(error: io::Error) -> GitError {
    GitError::Protocol(error.to_string())
}

/// The first band of a stream of three: data, words for people, and the reason of a failure.
struct Sideband<'a> {
    stream: Box<dyn Read + 'a>,
    chunk: Vec<u8>,
    at: usize,
}

impl Read for Sideband<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at == self.chunk.len() {
            match pkt_line::read(&mut self.stream)? {
                Packet::Data(bytes) if bytes.first() == Some(&1) => (self.chunk, self.at) = (bytes, 1),
                Packet::Data(bytes) if bytes.first() == Some(&2) => {}
                Packet::Data(bytes) => {
                    let reason = String::from_utf8_lossy(bytes.get(1..).unwrap_or_default()).trim().to_owned();
                    return Err(io::Error::other(reason));
                }
                Packet::Delimiter => {}
                Packet::Flush => return Ok(0),
            }
        }
        let count = buffer.len().min(self.chunk.len() - self.at);
        buffer[..count].copy_from_slice(&self.chunk[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::{RemoteRef, Sideband, find_pack, parse_ref};

    #[test]
    fn references_and_bands() {
        let id = "0123456789012345678901234567890123456789";
        let tag = parse_ref(&format!("{id} refs/tags/v1 peeled:{}\n", id.replace('0', "a"))).unwrap();
        assert_eq!(tag.peeled, Some(id.replace('0', "a")));
        let head = RemoteRef { name: "HEAD".to_owned(), id: id.to_owned(), peeled: None };
        assert_eq!(parse_ref(&format!("{id} HEAD symref-target:refs/heads/main")).unwrap(), head);
        assert!(parse_ref("ERR go away").unwrap_err().to_string().contains("go away"));
        assert!(parse_ref("unborn HEAD").is_err());
        let mut answer = &b"0011shallow-info\n0001000dpackfile\nPACK"[..];
        find_pack(&mut answer).unwrap();
        assert_eq!(answer, b"PACK");
        let mut text = String::new();
        let bands = b"0007\x01PA0007\x02hm0007\x01CK0000";
        Sideband { stream: Box::new(&bands[..]), chunk: Vec::new(), at: 0 }.read_to_string(&mut text).unwrap();
        assert_eq!(text, "PACK");
        let failure = b"0009\x03oh no";
        let mut failed = Sideband { stream: Box::new(&failure[..]), chunk: Vec::new(), at: 0 };
        assert!(failed.read_to_string(&mut text).is_err());
    }
}
