//! A connection to one repository: which references it has, and fetching objects of it. Version 2 of the protocol
//! (gitprotocol-v2(5)), or [versions 0 and 1](super::old_protocol).

use std::collections::BTreeSet;
use std::io::{self, BufReader, Read};

use dhow_layer_store::StagingDir;

use super::error::GitError;
use super::greeting::{Advertisement, Greeting};
use super::old_protocol;
use super::pack::Pack;
use super::pkt_line::{self, Packet, delimiter, flush, line};
use super::sideband::Sideband;
use super::transport::{Address, Transport};

pub(super) const AGENT: &str = concat!("agent=dhow/", env!("CARGO_PKG_VERSION"));
/// How servers say that they do not give out what was asked for by its name.
const REFUSALS: [&str; 3] = ["not our ref", "unadvertised object", "not valid"];

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

/// What a fetch brings.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    /// The commits' names, or those of tags.
    pub(super) ids: &'a [String],
    /// Which of their objects.
    pub(super) objects: Objects,
    /// How much of their past.
    pub(super) depth: Depth,
}

/// Which objects of a commit are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Objects {
    /// All.
    All,
    /// The commit alone; more may come.
    Commit,
}

/// How much of a commit's past is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    /// None; more may come.
    One,
    /// All.
    Full,
}

/// What a server of version 2 can do.
#[derive(Debug, Clone, Copy, Default)]
struct Abilities {
    /// It sends commits without their past.
    is_shallow: bool,
    /// It leaves out objects that are not wanted.
    is_filtering: bool,
}

enum Server {
    Two(Abilities),
    Old(Advertisement),
}

/// A connection to one repository.
pub(super) struct Session<'a> {
    transport: Transport<'a>,
    server: Server,
}

impl<'a> Session<'a> {
    /// Connects to a repository.
    pub(super) fn open(address: &Address<'a>) -> anyhow::Result<Self> {
        let (transport, greeting) = Transport::open(address)?;
        let format = match &greeting {
            Greeting::Two(lines) => value(lines, "object-format"),
            Greeting::Old(advertisement) => advertisement.value("object-format"),
        };
        match format {
            None | Some("sha1") => {}
            Some(other) => return Err(GitError::ObjectFormat(other.to_owned()).into()),
        }
        let server = match greeting {
            Greeting::Two(lines) => {
                let can = |name| value(&lines, "fetch").is_some_and(|all| all.split(' ').any(|one| one == name));
                Server::Two(Abilities { is_shallow: can("shallow"), is_filtering: can("filter") })
            }
            Greeting::Old(advertisement) => Server::Old(advertisement),
        };
        Ok(Self { transport, server })
    }

    /// The references whose names begin with one of `prefixes`; others may be among them.
    pub(super) fn refs(&mut self, prefixes: &[String]) -> anyhow::Result<Vec<RemoteRef>> {
        if let Server::Old(advertisement) = &self.server {
            return Ok(advertisement.refs.clone());
        }
        let mut request = Vec::new();
        line(&mut request, "command=ls-refs\n");
        line(&mut request, AGENT);
        delimiter(&mut request);
        line(&mut request, "peel\n");
        for prefix in prefixes {
            line(&mut request, &format!("ref-prefix {prefix}\n"));
        }
        flush(&mut request);
        let mut answer = self.transport.ask(&request)?;
        let mut refs = Vec::new();
        while let Packet::Data(bytes) = pkt_line::read(&mut answer).map_err(broken)? {
            refs.push(parse_ref(&String::from_utf8_lossy(&bytes))?);
        }
        Ok(refs)
    }

    /// What branches and tags name, as a server of an older version listed them. One of version 2 that does not give out
    /// an object by its name does not have it.
    pub(super) fn tips(&self) -> Vec<String> {
        let Server::Old(server) = &self.server else { return Vec::new() };
        let is_kept = |name: &str| name.starts_with("refs/heads/") || name.starts_with("refs/tags/");
        let tips = server.refs.iter().filter(|found| is_kept(&found.name)).map(|found| found.id.clone());
        tips.collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Objects, in a pack below `scratch`.
    ///
    /// # Errors
    /// [`GitError::NotGivenByName`]: the server only gives what its references name.
    pub(super) fn fetch(&mut self, wanted: &Wanted<'_>, scratch: StagingDir) -> anyhow::Result<Pack> {
        let request = match &self.server {
            Server::Two(abilities) => request(*abilities, wanted),
            Server::Old(server) => {
                let ids = wanted.ids.iter().map(|id| self.transport.old_name(server, id));
                let ids = ids.collect::<Result<Vec<_>, _>>()?;
                old_protocol::request(server, &Wanted { ids: &ids, ..*wanted })
            }
        };
        let mut answer = self.transport.ask(&request)?;
        let pack = match &self.server {
            Server::Two(_) => {
                find_pack(&mut answer)?;
                Box::new(Sideband::new(answer))
            }
            Server::Old(server) => old_protocol::pack(server, answer)?,
        };
        Ok(Pack::receive(&mut BufReader::new(pack), scratch)?)
    }
}

fn value<'l>(lines: &'l [String], name: &str) -> Option<&'l str> {
    lines.iter().find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
}

fn request(abilities: Abilities, wanted: &Wanted<'_>) -> Vec<u8> {
    let mut request = Vec::new();
    line(&mut request, "command=fetch");
    line(&mut request, AGENT);
    delimiter(&mut request);
    line(&mut request, "no-progress");
    line(&mut request, "ofs-delta");
    if wanted.depth == Depth::One && abilities.is_shallow {
        line(&mut request, "deepen 1");
    }
    if wanted.objects == Objects::Commit && abilities.is_filtering {
        line(&mut request, "filter tree:0");
    }
    for id in wanted.ids {
        line(&mut request, &format!("want {id}\n"));
    }
    line(&mut request, "done\n");
    flush(&mut request);
    request
}

/// What a server's refusal means.
pub(super) fn refusal(reason: &str) -> GitError {
    let reason = reason.trim_end();
    match REFUSALS.iter().any(|text| reason.contains(text)) {
        true => GitError::NotGivenByName(reason.to_owned()),
        false => GitError::Refused(reason.to_owned()),
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
                        Some(reason) => return Err(refusal(reason)),
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

#[cfg(test)]
mod tests {
    use super::{RemoteRef, find_pack, parse_ref, refusal};
    use crate::git::GitError;

    #[test]
    fn references_and_packs() {
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
    }

    #[test]
    fn a_refusal_of_a_name_is_told_from_others() {
        assert!(matches!(refusal("upload-pack: not our ref 0123\n"), GitError::NotGivenByName(_)));
        assert!(matches!(refusal("access denied"), GitError::Refused(_)));
    }
}
