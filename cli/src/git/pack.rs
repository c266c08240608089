//! The objects that a server sent, each known by the digest of its bytes.

use std::io::{BufRead, Error as IoError};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use dhow_layer_store::StagingDir;
use gix_hash::{Kind as HashKind, ObjectId};
use gix_object::Kind;
use gix_pack::Bundle;
use gix_pack::bundle::write::Options;
use gix_utils::progress::Discard;

use super::error::GitError;

/// The largest object: one is in memory at a time.
const LARGEST_OBJECT: usize = 2 << 30;
/// Tags of tags of tags… end here.
const MAX_TAGS: usize = 8;

/// A pack with its index, in a directory that goes with it.
pub(super) struct Pack {
    bundle: Bundle,
    _directory: StagingDir,
}

impl Pack {
    /// Writes a pack down and indexes it: from then on each object is found by what it holds.
    pub(super) fn receive(stream: &mut dyn BufRead, directory: StagingDir) -> Result<Self, GitError> {
        let options = Options { alloc_limit_bytes: Some(LARGEST_OBJECT), ..Options::default() };
        let written = Bundle::write_to_directory(
            stream,
            Some(directory.path()),
            &mut Discard,
            &AtomicBool::new(false),
            None::<gix_object::find::Never>,
            HashKind::Sha1,
            options,
        );
        let outcome = written.map_err(damaged)?;
        let bundle = outcome.to_bundle().ok_or_else(|| GitError::Pack("it is empty".to_owned()))?.map_err(damaged)?;
        Ok(Self { bundle, _directory: directory })
    }

    /// The object `id`.
    pub(super) fn object(&self, id: &ObjectId) -> Result<(Kind, Vec<u8>), GitError> {
        let (mut bytes, mut inflate) = (Vec::new(), gix_zlib::Inflate::default());
        let found = self.bundle.find(id, &mut bytes, &mut inflate, &mut gix_pack::cache::Never);
        let kind = found.map_err(damaged)?.ok_or_else(|| GitError::MissingObject(id.to_string()))?.0.kind;
        Ok((kind, bytes))
    }

    /// The same of one kind.
    pub(super) fn object_of(&self, id: &ObjectId, kind: Kind) -> Result<Vec<u8>, GitError> {
        match self.object(id)? {
            (found, bytes) if found == kind => Ok(bytes),
            (found, _) => Err(GitError::Pack(format!("`{id}` is a {found} instead of a {kind}"))),
        }
    }

    /// The bytes of the commit `name`, or of the one that the tag `name` stands for.
    pub(super) fn commit(&self, name: &str) -> Result<Vec<u8>, GitError> {
        let mut id = object_id(name)?;
        for _ in 0..MAX_TAGS {
            let (kind, bytes) = self.object(&id)?;
            match kind {
                Kind::Commit => return Ok(bytes),
                Kind::Tag => id = object_id(header(&bytes, "object").unwrap_or_default())?,
                kind => return Err(GitError::Pack(format!("`{name}` is a {kind} instead of a commit"))),
            }
        }
        Err(GitError::Pack(format!("`{name}` is a tag of too many tags")))
    }

    /// The files of the pack: with `.pack` and `.idx`.
    pub(super) fn files(&self) -> [PathBuf; 2] {
        [self.bundle.pack.path().to_owned(), self.bundle.index.path().to_owned()]
    }
}

/// The value of the header `name` of a commit or tag.
pub(super) fn header<'a>(bytes: &'a [u8], name: &str) -> Option<&'a str> {
    let head = bytes.split(|byte| *byte == b'\n').take_while(|line| !line.is_empty());
    let line = head.filter_map(|line| std::str::from_utf8(line).ok());
    line.filter_map(|line| line.split_once(' ')).find(|(key, _)| *key == name).map(|(_, value)| value)
}

/// The id with these digits.
pub(super) fn object_id(digits: &str) -> Result<ObjectId, GitError> {
    ObjectId::from_hex(digits.as_bytes()).map_err(|_| GitError::Pack(format!("`{digits}` is no object's name")))
}

fn damaged(error: impl std::fmt::Display) -> GitError {
    GitError::Pack(error.to_string())
}

/// An error on a file of the pack.
pub(super) fn unreadable(path: &Path, error: &IoError) -> GitError {
    GitError::Pack(format!("`{}`: {error}", path.display()))
}
