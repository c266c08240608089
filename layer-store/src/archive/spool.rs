//! An archive's members in the staging area, so that they can be looked at in any order: archives come through pipes.
//!
//! What the members mean is not known here.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use super::ArchiveProblem;
use super::event::{Event, Progress};
use super::input::decompressed;
use crate::blob::DOCUMENT_LIMIT;
use crate::error::{Error, Result};
use crate::oci::{Digest, DigestWriter};
use crate::staging::StagingDir;
use crate::store::Store;
use crate::tarball::{EntryKind, TarEntry, TarReader};

/// More members than this has no image archive.
const MAX_MEMBERS: usize = 100_000;
/// Links to links to links… end here.
const MAX_LINKS: usize = 8;
const BUFFER: usize = 256 << 10;

/// A file of the archive.
#[derive(Debug, Clone)]
pub(super) struct Member {
    /// Its name in the archive.
    pub(super) name: String,
    /// Where its bytes are.
    pub(super) path: PathBuf,
    /// Their digest.
    pub(super) digest: Digest,
    /// Their number.
    pub(super) size: u64,
}

/// All members of an archive.
#[derive(Debug)]
pub(super) struct Spool {
    files: BTreeMap<String, Member>,
    /// Names that stand for other names.
    links: BTreeMap<String, String>,
    directory: StagingDir,
}

impl Spool {
    /// Reads an archive to its end.
    pub(super) fn read(store: &Store, input: impl Read, progress: Progress<'_>) -> Result<Self> {
        let mut spool = Self { files: BTreeMap::new(), links: BTreeMap::new(), directory: store.staging()? };
        let mut tar = TarReader::new(decompressed(input)?);
        while let Some(entry) = tar.next_entry()? {
            spool.take(&entry, &mut tar, progress)?;
        }
        // Reading on to the end checks the checksums of the compression.
        io::copy(&mut tar.into_inner(), &mut io::sink()).map_err(Error::stream("read the archive"))?;
        Ok(spool)
    }

    /// The member `name`, through links.
    pub(super) fn get(&self, name: &str) -> Option<&Member> {
        let mut name = normalize(name)?;
        for _ in 0..MAX_LINKS {
            match self.links.get(&name) {
                Some(target) => name.clone_from(target),
                None => return self.files.get(&name),
            }
        }
        None
    }

    /// The same, but it is an error if it is not there; `wanted_by` refers to it.
    pub(super) fn require(&self, name: &str, wanted_by: &str) -> Result<&Member> {
        self.get(name).ok_or_else(|| {
            ArchiveProblem::MissingMember { name: name.to_owned(), wanted_by: wanted_by.to_owned() }.into()
        })
    }

    /// Whether there is anything of that name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    fn take(&mut self, entry: &TarEntry, data: &mut dyn Read, progress: Progress<'_>) -> Result<()> {
        let written = String::from_utf8_lossy(&entry.path).into_owned();
        let Some(name) = normalize(&written) else { return Err(ArchiveProblem::UnsafeName(written).into()) };
        if self.files.len() + self.links.len() >= MAX_MEMBERS {
            return Err(ArchiveProblem::TooManyMembers(MAX_MEMBERS).into());
        }
        match &entry.kind {
            EntryKind::Directory => Ok(()),
            EntryKind::Regular => self.store_file(name, entry.size, data, progress),
            EntryKind::HardLink(target) => self.store_link(name, &String::from_utf8_lossy(target)),
            EntryKind::Symlink(target) => {
                let parent = name.rsplit_once('/').map_or("", |(parent, _)| parent);
                let target = format!("{parent}/{}", String::from_utf8_lossy(target));
                self.store_link(name, &target)
            }
            _ => Err(ArchiveProblem::UnexpectedKind(name).into()),
        }
    }

    fn store_link(&mut self, name: String, target: &str) -> Result<()> {
        let Some(target) = normalize(target) else { return Err(ArchiveProblem::UnsafeName(name).into()) };
        if self.files.contains_key(&name) || self.links.get(&name).is_some_and(|known| *known != target) {
            return Err(ArchiveProblem::DuplicateName(name).into());
        }
        self.links.insert(name, target);
        Ok(())
    }

    fn store_file(&mut self, name: String, size: u64, data: &mut dyn Read, progress: Progress<'_>) -> Result<()> {
        let path = self.directory.path().join(self.files.len().to_string());
        progress(Event::Started { name: &name, size });
        let file = File::create_new(&path).map_err(Error::io("create", &path))?;
        let mut out = DigestWriter::new(file);
        let advanced = |bytes| progress(Event::Advanced { name: &name, bytes });
        copy(data, &mut out, &path, &advanced)?;
        let (_, digest, size) = out.finish();
        progress(Event::Done { name: &name });
        // Some writers repeat a member that several images share.
        match self.files.get(&name) {
            Some(known) if known.digest == digest => return fs::remove_file(&path).map_err(Error::io("remove", &path)),
            None if !self.links.contains_key(&name) => {}
            _ => return Err(ArchiveProblem::DuplicateName(name).into()),
        }
        self.files.insert(name.clone(), Member { name, path, digest, size });
        Ok(())
    }
}

fn copy(data: &mut dyn Read, out: &mut dyn Write, path: &Path, advanced: &dyn Fn(u64)) -> Result<()> {
    let mut buffer = vec![0; BUFFER];
    loop {
        let count = match data.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Error::stream("read the archive")(error)),
        };
        out.write_all(&buffer[..count]).map_err(Error::io("write", path))?;
        advanced(count as u64);
    }
}

/// The name without `./` and `//`, and with inner `..` resolved; `None` if it leads out of the archive.
fn normalize(name: &str) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    for part in name.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            _ => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

impl Member {
    /// Opens the member's bytes.
    pub(super) fn open(&self) -> Result<File> {
        File::open(&self.path).map_err(Error::io("read", &self.path))
    }

    /// Reads a small document.
    pub(super) fn read(&self) -> Result<Vec<u8>> {
        if self.size > DOCUMENT_LIMIT {
            return Err(ArchiveProblem::DocumentTooLarge { name: self.name.clone(), size: self.size }.into());
        }
        fs::read(&self.path).map_err(Error::io("read", &self.path))
    }

    /// Parses a small JSON document.
    pub(super) fn parse<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(&self.read()?).map_err(|source| self.malformed(source))
    }

    pub(super) fn malformed(&self, source: serde_json::Error) -> Error {
        ArchiveProblem::Malformed { name: self.name.clone(), source }.into()
    }

    /// Fails unless the member has this digest and, if it is known, this size.
    pub(super) fn check(&self, expected: &Digest, size: Option<u64>) -> Result<()> {
        let name = || self.name.clone();
        match size {
            Some(size) if size != self.size => {
                Err(ArchiveProblem::WrongSize { name: name(), expected: size, found: self.size }.into())
            }
            _ if self.digest != *expected => {
                let (expected, found) = (*expected, self.digest);
                Err(ArchiveProblem::WrongDigest { name: name(), expected, found }.into())
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::normalize;

    #[test]
    fn names_stay_inside_the_archive() {
        for (name, expected) in [
            ("a/b", Some("a/b")),
            ("./a//b/", Some("a/b")),
            ("/a", Some("a")),
            ("a/../b", Some("b")),
            ("a/../../b", None),
            ("../a", None),
        ] {
            assert_eq!(normalize(name).as_deref(), expected, "{name}");
        }
    }
}
