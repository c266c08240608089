//! Where files from the network come from: asked for through a trait, as this crate knows no protocol.

use std::io::Write;
use std::time::SystemTime;

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

/// Gets what `ADD` names on other machines. May be called from any thread.
pub trait RemoteSource: Sync {
    /// Writes the file to `into`, as it comes.
    ///
    /// # Errors
    /// It cannot be had, or `into` fails.
    fn download(&self, request: &DownloadRequest<'_>, into: &mut dyn Write) -> Result<Downloaded, SourceError>;
}
