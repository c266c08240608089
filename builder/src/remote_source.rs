//! Where files from the network come from: asked for through a trait, as this crate knows no protocol.

use std::io::Write;
use std::time::SystemTime;

use dhow_layer_store::Root;

use crate::plan::GitSource;
use crate::source_image::SourceError;

/// A file to get over HTTP.
#[derive(Debug, Clone, Copy)]
pub struct DownloadRequest<'a> {
    /// From where.
    pub url: &'a str,
    /// The entity tag of the content that is here already.
    pub etag: Option<&'a str>,
    /// The value of the header `Authorization`: a secret of the build.
    pub authorization: Option<&'a str>,
}

/// What came of a [`DownloadRequest`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Downloaded {
    /// The content is the one with the entity tag; nothing was written.
    Unchanged,
    /// All of it was written.
    New {
        /// The content's entity tag.
        etag: Option<String>,
        /// When it last changed.
        modified: Option<SystemTime>,
    },
}

/// A repository to look at.
#[derive(Debug, Clone, Copy)]
pub struct GitRequest<'a> {
    /// Which, and what of it.
    pub source: &'a GitSource,
    /// The value of the header `Authorization` for its host: a secret of the build.
    pub authorization: Option<&'a str>,
}

/// What a reference stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitCommit {
    /// The commit's name: 40 digits.
    pub commit: String,
    /// The name of the annotated tag, if it was one.
    pub tag: Option<String>,
    /// The full name of the reference; none if the commit was named itself.
    pub reference: Option<String>,
}

impl GitCommit {
    /// Whether the name of the commit, or of its annotated tag, is `checksum` or begins with it.
    pub fn has_checksum(&self, checksum: &str) -> bool {
        let fits = |name: &String| name.starts_with(checksum);
        fits(&self.commit) || self.tag.as_ref().is_some_and(fits)
    }
}

/// What is written of a commit.
#[derive(Debug, Clone, Copy)]
pub struct Checkout<'a> {
    /// Which.
    pub commit: &'a GitCommit,
    /// Whether `.git` is written too.
    pub keep_git_dir: bool,
}

/// Gets what `ADD` names on other machines. May be called from any thread.
pub trait RemoteSource: Sync {
    /// Writes the file to `into`, as it comes.
    ///
    /// # Errors
    /// It cannot be had, or `into` fails.
    fn download(&self, request: &DownloadRequest<'_>, into: &mut dyn Write) -> Result<Downloaded, SourceError>;

    /// When the file last changed, as its server says; its content is not fetched.
    ///
    /// # Errors
    /// It cannot be had.
    fn modified(&self, request: &DownloadRequest<'_>) -> Result<Option<SystemTime>, SourceError>;

    /// The commit that a reference stands for now.
    ///
    /// # Errors
    /// The repository cannot be reached, or has no such reference.
    fn git_commit(&self, request: &GitRequest<'_>) -> Result<GitCommit, SourceError>;

    /// The date of a commit, in seconds since 1970: when it was committed, not when it was written.
    ///
    /// # Errors
    /// It cannot be had.
    fn git_date(&self, request: &GitRequest<'_>, commit: &GitCommit) -> Result<i64, SourceError>;

    /// Writes the files of a commit to `into`, which is empty.
    ///
    /// # Errors
    /// They cannot be had, or `into` fails.
    fn git_checkout(&self, request: &GitRequest<'_>, checkout: &Checkout<'_>, into: &Root) -> Result<(), SourceError>;
}
