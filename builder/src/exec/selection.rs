//! What the sources of a copy select, and the digest of it, which enters the step's key.

use std::path::Path;
use std::sync::OnceLock;

use dhow_layer_store::oci::Digest;
use dhow_layer_store::{CacheKey, CacheRecord, Root, Stack, StagingDir, Store};
use serde_json::json;

use crate::cache::{KeyBuilder, Listing};
use crate::context::{self, FileDigest, Filter, Match, SourceTree, select};
use crate::error::{BuildError, Result};
use crate::pattern_set::PatternSet;
use crate::plan::CopyFiles;

/// What one source of a copy comes to.
#[derive(Debug)]
pub(crate) struct Selection {
    /// Digest of everything about the selected files that reaches the image.
    pub(crate) digest: String,
    /// The files, if they had to be looked at to know the digest.
    pub(crate) matches: Option<Vec<Match>>,
    /// The digest of each of them.
    digests: Vec<FileDigest>,
    listing: OnceLock<Listing>,
}

impl Selection {
    /// A selection of which nothing but the digest is known.
    pub(crate) fn known(digest: String) -> Self {
        Self { digest, matches: None, digests: Vec::new(), listing: OnceLock::new() }
    }

    /// What is known of `matches`.
    pub(crate) fn of(tree: &SourceTree<'_>, matches: Vec<Match>, threads: usize) -> Result<Self> {
        let (digest, digests) = context::digest(tree, &matches, threads)?;
        Ok(Self { digest, matches: Some(matches), digests, listing: OnceLock::new() })
    }

    /// Writes down the files, to tell later what changed.
    pub(crate) fn save_listing(&self, store: &Store) -> Result<()> {
        match &self.matches {
            Some(_) => self.listing().save(store, &self.digest),
            None => Ok(()),
        }
    }

    /// The files as they are written down.
    pub(crate) fn listing(&self) -> &Listing {
        let matches = self.matches.as_deref().unwrap_or_default();
        self.listing.get_or_init(|| context::listing(matches, &self.digests))
    }
}

/// Walks and digests what `files` selects in `tree`.
pub(crate) fn look(tree: &SourceTree<'_>, files: &CopyFiles, excludes: &[String], threads: usize) -> Result<Selection> {
    Selection::of(tree, matches(tree, files, excludes)?, threads)
}

/// What `files` selects in `tree`.
pub(crate) fn matches(tree: &SourceTree<'_>, files: &CopyFiles, excludes: &[String]) -> Result<Vec<Match>> {
    let set = |patterns: &mut dyn Iterator<Item = &str>| {
        PatternSet::new(patterns)
            .map_err(|(_, bad)| BuildError::Unsupported(format!("a pattern that is malformed ({bad})")))
    };
    let exclude = if excludes.is_empty() { None } else { Some(set(&mut excludes.iter().map(String::as_str))?) };
    let parents = files.parents.as_ref();
    let include = parents.map(|parents| set(&mut [parents.pattern.as_str()].into_iter())).transpose()?;
    let found = select(tree, Path::new(&files.path), &Filter { exclude, include })?;
    let is_empty = found.iter().all(|found| found.entries.len() < 2);
    match parents.filter(|parents| parents.required && is_empty) {
        Some(parents) => Err(context::explain(tree, &Path::new(&files.path).join(&parents.pattern))),
        None => Ok(found),
    }
}

/// The digest of a file in the Dockerfile.
pub(crate) fn inline_digest(name: &str, content: &str) -> String {
    let mut key = KeyBuilder::new("inline");
    key.text("name", name);
    key.text("content", content);
    key.finish().key.0.hex()
}

/// A directory with one file in it.
pub(crate) fn inline_tree(store: &Store, name: &str, content: &str) -> Result<(StagingDir, Root)> {
    let staging = store.staging()?;
    let path = staging.path().join(context::clean(Path::new(name)));
    std::fs::create_dir_all(path.parent().unwrap_or(&path)).map_err(BuildError::io("write", &path))?;
    std::fs::write(&path, content).map_err(BuildError::io("write", &path))?;
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    std::fs::set_permissions(&path, mode).map_err(BuildError::io("write", &path))?;
    let root = Root::open(staging.path())?;
    Ok((staging, root))
}

/// The record in which the digest of a selection from the layers `stack` is remembered. A stack never changes what it
/// holds, so that the digest of a stage that is built anew is found out anew.
pub(crate) struct Remembered {
    key: CacheKey,
    stack: Stack,
}

impl Remembered {
    /// Of what `files` selects in `stack`.
    pub(crate) fn of(stack: &Stack, files: &CopyFiles, excludes: &[String]) -> Self {
        let mut key = KeyBuilder::new("selection");
        let layers: Vec<&str> = stack.layers().iter().map(dhow_layer_store::LayerId::as_str).collect();
        key.list("layers", &layers);
        key.text("path", &files.path);
        key.optional("parents", files.parents.as_ref().map(|parents| parents.pattern.as_str()));
        key.list("excludes", excludes);
        Self { key: key.finish().key, stack: stack.clone() }
    }

    /// The digest, if it is remembered.
    pub(crate) fn recall(&self, store: &Store) -> Result<Option<String>> {
        let record = store.record(&self.key)?;
        let digest = record.and_then(|record| Some(record.inputs.get("digest")?.as_str()?.to_owned()));
        Ok(digest.filter(|digest| Digest::from_hex(digest).is_ok()))
    }

    /// Remembers the digest.
    pub(crate) fn remember(&self, store: &Store, digest: &str) -> Result<()> {
        let record = CacheRecord::new(None, self.stack.clone(), json!({ "kind": "selection", "digest": digest }));
        Ok(store.put_record(&self.key, &record)?)
    }
}
