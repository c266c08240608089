//! The registry's directory: the layout of distribution's file system driver, so that data directories can be exchanged.
//!
//! ```text
//! <root>/docker/registry/v2/
//!   blobs/sha256/<2 hex>/<hex>/data                               bytes of blobs and manifests
//!   repositories/<name>/_layers/sha256/<hex>/link                 blobs of the repository: text `sha256:<hex>`
//!   repositories/<name>/_manifests/revisions/sha256/<hex>/link    manifests of the repository
//!   repositories/<name>/_manifests/tags/<tag>/current/link        what a tag stands for
//!   repositories/<name>/_manifests/tags/<tag>/index/sha256/<hex>/link   what it ever stood for
//!   repositories/<name>/_referrers/sha256/<subject>/<hex>         ours: manifests that refer to another one
//!   repositories/<name>/_uploads/<id>/{data,startedat}            open uploads
//! ```
//!
//! Every file is written elsewhere, synced and renamed, links after what they point to: a kill at any time leaves no
//! half of anything. All methods block.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use dhow_layer_store::oci::Digest;

/// The directory of one registry.
#[derive(Debug, Clone)]
pub(crate) struct Storage {
    base: PathBuf,
}

/// What a repository has by digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Layer,
    Manifest,
}

impl Storage {
    /// Opens the directory and makes it if it is missing.
    pub(crate) fn open(root: &Path) -> io::Result<Self> {
        let base = root.join("docker/registry/v2");
        fs::create_dir_all(base.join("repositories"))?;
        fs::create_dir_all(base.join("blobs"))?;
        Ok(Self { base })
    }

    /// The directory of a repository, whose name is a valid one.
    pub(crate) fn repository(&self, name: &str) -> PathBuf {
        self.base.join("repositories").join(name)
    }

    /// Whether anything was ever pushed there.
    pub(crate) fn has_repository(&self, name: &str) -> bool {
        let dir = self.repository(name);
        dir.join("_layers").is_dir() || dir.join("_manifests").is_dir()
    }

    /// Where a blob's bytes are.
    pub(crate) fn blob_path(&self, digest: &Digest) -> PathBuf {
        let hex = digest.hex();
        self.base.join("blobs/sha256").join(&hex[..2]).join(&hex).join("data")
    }

    /// Opens a blob or manifest that the repository has.
    pub(crate) fn open_content(&self, name: &str, kind: Kind, digest: &Digest) -> io::Result<Option<File>> {
        if !self.link_path(name, kind, digest).is_file() {
            return Ok(None);
        }
        if_there(File::open(self.blob_path(digest)))
    }

    /// Moves a finished file to its place as a blob.
    pub(crate) fn adopt(&self, file: &Path, digest: &Digest) -> io::Result<()> {
        let target = self.blob_path(digest);
        create_parent(&target)?;
        fs::rename(file, &target)?;
        sync_parent(&target)
    }

    /// Writes a document as a blob.
    pub(crate) fn put_blob(&self, bytes: &[u8], digest: &Digest) -> io::Result<()> {
        self.write(&self.blob_path(digest), bytes)
    }

    /// Makes a blob or manifest that is stored the repository's.
    pub(crate) fn link(&self, name: &str, kind: Kind, digest: &Digest) -> io::Result<()> {
        self.write(&self.link_path(name, kind, digest), digest.to_string().as_bytes())
    }

    /// Takes it away from the repository again; its bytes stay for the others. False if it had none.
    pub(crate) fn unlink(&self, name: &str, kind: Kind, digest: &Digest) -> io::Result<bool> {
        let link = self.link_path(name, kind, digest);
        Ok(if_there(fs::remove_file(&link))?.is_some())
    }

    /// What a tag stands for.
    pub(crate) fn tag(&self, name: &str, tag: &str) -> io::Result<Option<Digest>> {
        let text = if_there(fs::read_to_string(self.tag_path(name, tag).join("current/link")))?;
        Ok(text.and_then(|text| text.trim().parse().ok()))
    }

    /// Makes a tag stand for a manifest.
    pub(crate) fn set_tag(&self, name: &str, tag: &str, digest: &Digest) -> io::Result<()> {
        let (dir, text) = (self.tag_path(name, tag), digest.to_string());
        self.write(&dir.join("index/sha256").join(digest.hex()).join("link"), text.as_bytes())?;
        self.write(&dir.join("current/link"), text.as_bytes())
    }

    /// Removes a tag. False if there was none.
    pub(crate) fn remove_tag(&self, name: &str, tag: &str) -> io::Result<bool> {
        let dir = self.tag_path(name, tag);
        // First what makes it a tag, so that it is gone even if the rest remains.
        let was_there = if_there(fs::remove_file(dir.join("current/link")))?.is_some();
        if_there(fs::remove_dir_all(&dir))?;
        Ok(was_there)
    }

    /// All tags, sorted bytewise.
    pub(crate) fn tags(&self, name: &str) -> io::Result<Vec<String>> {
        let dir = self.repository(name).join("_manifests/tags");
        let mut tags = names(&dir)?;
        tags.retain(|tag| dir.join(tag).join("current/link").is_file());
        Ok(tags)
    }

    /// All repositories that anything was pushed to, sorted bytewise.
    pub(crate) fn repositories(&self) -> io::Result<Vec<String>> {
        let mut names = self.all_directories()?;
        names.retain(|name| self.has_repository(name));
        Ok(names)
    }

    /// The names of all directories that are or could become repositories, sorted bytewise.
    pub(crate) fn all_directories(&self) -> io::Result<Vec<String>> {
        let mut found = Vec::new();
        self.collect(String::new(), &mut found)?;
        found.sort();
        Ok(found)
    }

    fn collect(&self, name: String, found: &mut Vec<String>) -> io::Result<()> {
        for child in names(&self.repository(&name))? {
            if !child.starts_with('_') {
                let path = if name.is_empty() { child } else { format!("{name}/{child}") };
                self.collect(path, found)?;
            }
        }
        if !name.is_empty() {
            found.push(name);
        }
        Ok(())
    }

    /// Notes that the manifest `referrer` refers to `subject`.
    pub(crate) fn add_referrer(&self, name: &str, subject: &Digest, referrer: &Digest) -> io::Result<()> {
        self.write(&self.referrers_path(name, subject).join(referrer.hex()), b"")
    }

    /// Takes the note back.
    pub(crate) fn remove_referrer(&self, name: &str, subject: &Digest, referrer: &Digest) -> io::Result<()> {
        if_there(fs::remove_file(self.referrers_path(name, subject).join(referrer.hex()))).map(drop)
    }

    /// The manifests that refer to `subject`, sorted.
    pub(crate) fn referrers(&self, name: &str, subject: &Digest) -> io::Result<Vec<Digest>> {
        let names = names(&self.referrers_path(name, subject))?;
        Ok(names.iter().filter_map(|hex| Digest::from_hex(hex).ok()).collect())
    }

    /// Writes a file in one step and durably.
    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        if fs::read(path).is_ok_and(|have| have == bytes) {
            return Ok(());
        }
        create_parent(path)?;
        let temporary = path.with_file_name(format!(".{}", super::uploads_store::random_id()?));
        let written = File::create(&temporary).and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&temporary, path)
        });
        if written.is_err() {
            // The first error is the one to tell.
            let _ = fs::remove_file(&temporary);
        }
        written?;
        sync_parent(path)
    }

    fn link_path(&self, name: &str, kind: Kind, digest: &Digest) -> PathBuf {
        let below = match kind {
            Kind::Layer => "_layers/sha256",
            Kind::Manifest => "_manifests/revisions/sha256",
        };
        self.repository(name).join(below).join(digest.hex()).join("link")
    }

    fn tag_path(&self, name: &str, tag: &str) -> PathBuf {
        self.repository(name).join("_manifests/tags").join(tag)
    }

    fn referrers_path(&self, name: &str, subject: &Digest) -> PathBuf {
        self.repository(name).join("_referrers/sha256").join(subject.hex())
    }
}

/// The names in a directory, sorted; none if it is missing. Files that are just being written are left out.
pub(crate) fn names(dir: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in if_there(fs::read_dir(dir))?.into_iter().flatten() {
        names.extend(entry?.file_name().into_string().ok().filter(|name| !name.starts_with('.')));
    }
    names.sort();
    Ok(names)
}

fn create_parent(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), fs::create_dir_all)
}

fn sync_parent(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |parent| File::open(parent)?.sync_all())
}

/// `None` for what does not exist.
pub(crate) fn if_there<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(error),
    }
}
