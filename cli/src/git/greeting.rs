//! A server's first words: what it can do in protocol version 2 (gitprotocol-v2(5)), or, from a server that does not speak
//! it, its references (gitprotocol-pack(5), "Reference Discovery").

use std::io::{self, ErrorKind, Read};

use super::error::GitError;
use super::pkt_line::{self, Packet};
use super::protocol::RemoteRef;

/// The most that a server may say first: hundreds of thousands of references.
const LARGEST: usize = 64 << 20;

/// What a server says first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Greeting {
    /// It speaks version 2, and can do this.
    Two(Vec<String>),
    /// It speaks version 0 or 1.
    Old(Advertisement),
}

/// What a server of version 0 or 1 has and can do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Advertisement {
    /// All references.
    pub(super) refs: Vec<RemoteRef>,
    /// What it can do.
    pub(super) capabilities: Vec<String>,
}

impl Greeting {
    /// Reads it from `stream`; `address` is for messages.
    ///
    /// # Errors
    /// The server refuses, or does not speak git's protocol.
    pub(super) fn read(stream: &mut dyn Read, address: &str) -> Result<Self, GitError> {
        let mut first = match next(stream) {
            Err(GitError::Protocol(_)) => return Err(GitError::NoGitServer(address.to_owned())),
            first => first?,
        };
        // The line of the service goes before, in a message of its own.
        if first.as_deref().is_some_and(|line| line.starts_with(b"# service=")) {
            while first.is_some() {
                first = next(stream)?;
            }
            first = next(stream)?;
        }
        match first {
            Some(line) if line == b"version 2" => Ok(Self::Two(texts(stream)?)),
            Some(line) if line == b"version 1" => Advertisement::read(next(stream)?, stream).map(Self::Old),
            first => Advertisement::read(first, stream).map(Self::Old),
        }
    }
}

impl Advertisement {
    /// Whether the server can do `name`.
    pub(super) fn can(&self, name: &str) -> bool {
        self.capabilities.iter().any(|known| known == name)
    }

    /// The value of the capability `name`.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.capabilities.iter().find_map(|known| known.strip_prefix(name)?.strip_prefix('='))
    }

    fn read(first: Option<Vec<u8>>, stream: &mut dyn Read) -> Result<Self, GitError> {
        let mut found = Self::default();
        let mut line = first;
        let mut size = 0;
        while let Some(bytes) = line {
            size += bytes.len();
            if size > LARGEST {
                return Err(GitError::Protocol(format!("it lists references for more than {LARGEST} bytes")));
            }
            let text = String::from_utf8_lossy(&bytes);
            let (text, capabilities) = text.split_once('\0').unwrap_or((&text, ""));
            found.capabilities.extend(capabilities.split(' ').filter(|one| !one.is_empty()).map(str::to_owned));
            found.add(text.trim_end())?;
            line = next(stream)?;
        }
        Ok(found)
    }

    /// `<id> <name>`; with `^{}` after the name the id is what the tag before stands for.
    fn add(&mut self, text: &str) -> Result<(), GitError> {
        if text.starts_with("shallow ") {
            return Ok(());
        }
        let malformed = || GitError::Protocol(format!("`{text}` is no reference"));
        let (id, name) = text.split_once(' ').filter(|(id, _)| super::is_commit(id)).ok_or_else(malformed)?;
        match (name.strip_suffix("^{}"), self.refs.last_mut()) {
            (Some(tag), Some(last)) if last.name == tag => last.peeled = Some(id.to_owned()),
            // `capabilities^{}` stands for the references of an empty repository.
            (Some(_), _) => {}
            (None, _) => self.refs.push(RemoteRef { name: name.to_owned(), id: id.to_owned(), peeled: None }),
        }
        Ok(())
    }
}

/// The lines up to the end of the message.
fn texts(stream: &mut dyn Read) -> Result<Vec<String>, GitError> {
    let mut lines = Vec::new();
    while let Some(line) = next(stream)? {
        lines.push(String::from_utf8_lossy(&line).into_owned());
    }
    Ok(lines)
}

/// The next line without the line feed at its end; none at the end of a message.
fn next(stream: &mut dyn Read) -> Result<Option<Vec<u8>>, GitError> {
    match pkt_line::read(stream).map_err(broken)? {
        Packet::Data(mut bytes) => {
            if let Some(reason) = bytes.strip_prefix(b"ERR ") {
                return Err(GitError::Refused(String::from_utf8_lossy(reason).trim_end().to_owned()));
            }
            bytes.truncate(bytes.trim_ascii_end().len());
            Ok(Some(bytes))
        }
        Packet::Flush | Packet::Delimiter => Ok(None),
    }
}

/// A stream that holds something else, or ends, is told from one that breaks.
fn broken(error: io::Error) -> GitError {
    match error.kind() {
        ErrorKind::InvalidData | ErrorKind::UnexpectedEof => GitError::Protocol(error.to_string()),
        ErrorKind::WouldBlock | ErrorKind::TimedOut => GitError::Silent,
        _ => GitError::Stream(error),
    }
}

#[cfg(test)]
mod tests {
    use super::{Advertisement, Greeting};
    use crate::git::pkt_line::{flush, line};

    const ID: &str = "0123456789012345678901234567890123456789";

    fn read(lines: &[&str]) -> Result<Greeting, String> {
        let mut bytes = Vec::new();
        for text in lines {
            match *text {
                "" => flush(&mut bytes),
                text => line(&mut bytes, text),
            }
        }
        Greeting::read(&mut &bytes[..], "git://e.com/x").map_err(|error| error.to_string())
    }

    #[test]
    fn version_2_is_what_a_server_can_do() {
        let expected = Ok(Greeting::Two(vec!["ls-refs".to_owned(), "fetch=shallow".to_owned()]));
        let two = ["version 2\n", "ls-refs\n", "fetch=shallow", ""];
        assert_eq!(read(&two), expected);
        assert_eq!(read(&[&["# service=git-upload-pack\n", ""], &two[..]].concat()), expected);
        assert!(read(&["ERR no such repo"]).unwrap_err().ends_with("no such repo"));
        let html = Greeting::read(&mut &b"<html>"[..], "http://e.com/x").unwrap_err().to_string();
        assert!(html.contains("http://e.com/x"), "{html}");
    }

    #[test]
    fn older_versions_are_references() {
        let (head, tag, peeled) =
            (format!("{ID} HEAD\0shallow ofs-delta\n"), format!("{ID} refs/tags/v"), ID.replace('0', "a"));
        let lines = [head.as_str(), &tag, &format!("{peeled} refs/tags/v^{{}}\n"), &format!("shallow {ID}"), ""];
        let Ok(Greeting::Old(found)) = read(&[&["# service=git-upload-pack", ""], &lines[..]].concat()) else {
            panic!()
        };
        assert!(found.can("shallow") && !found.can("filter") && found.value("agent").is_none());
        let names: Vec<_> = found.refs.iter().map(|one| (one.name.as_str(), one.peeled.as_deref())).collect();
        assert_eq!(names, [("HEAD", None), ("refs/tags/v", Some(peeled.as_str()))]);
        assert_eq!(read(&[&["version 1"], &lines[..]].concat()), Ok(Greeting::Old(found)));
        let empty = format!("{} capabilities^{{}}\0shallow", "0".repeat(40));
        let expected = Advertisement { refs: Vec::new(), capabilities: vec!["shallow".to_owned()] };
        assert_eq!(read(&[&empty, ""]), Ok(Greeting::Old(expected)));
        assert!(read(&["what", ""]).is_err());
    }
}
