//! What can go wrong in the layer store: one variant for each thing that failed, with what it failed on.

use std::io;
use std::path::{Path, PathBuf};

use crate::archive::ArchiveProblem;
use crate::oci::{Digest, InvalidDigest, InvalidReference};
use crate::removal::Conflict;

/// The result of an operation of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An operation of the layer store failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A system call on a file failed.
    #[error("cannot {action} `{}`", .path.display())]
    Io {
        /// What was tried, as a verb: `read`, `create`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// Reading or writing a stream that is no file failed.
    #[error("cannot {action}")]
    Stream {
        /// What was tried: `read the tar stream`.
        action: &'static str,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// A path of an archive or an image leads out of its root.
    #[error("path `{}` leads out of the root it belongs to", .path.display())]
    UnsafePath {
        /// The path as it was found.
        path: PathBuf,
    },
    /// The kernel cannot resolve paths within a root (openat2, Linux 5.6).
    #[error("this kernel cannot resolve paths inside a directory tree safely (no `openat2`)")]
    NoSafePaths,
    /// A name or an entry that a layer's tar cannot carry.
    #[error("`{}` cannot be part of a layer: {reason}", .path.display())]
    NotPackable {
        /// The file in the tree.
        path: PathBuf,
        /// Why.
        reason: &'static str,
    },
    /// A manifest in Docker's media types is to have a layer in a form that they do not know.
    #[error("docker's media types have none for a layer in zstd (`{layer}`)")]
    NoMediaType {
        /// The layer's blob.
        layer: Digest,
    },
    /// A tar entry that cannot be unpacked.
    #[error("tar entry `{}` is invalid: {reason}", .path.display())]
    InvalidEntry {
        /// The entry's name.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The bytes are not what their digest says.
    #[error("content is `{actual}` where `{expected}` was expected")]
    DigestMismatch {
        /// What was asked for.
        expected: Digest,
        /// What the bytes are.
        actual: Digest,
    },
    /// A text that should be a digest.
    #[error(transparent)]
    InvalidDigest(#[from] InvalidDigest),
    /// The directory holds something else than a store.
    #[error("`{0}` is not a dhow store: it holds files, but none named `version`")]
    NotAStore(PathBuf),
    /// The store has a layout that this program does not know.
    #[error("the store `{root}` has layout version `{found}`, but this dhow knows version `{known}` only")]
    UnknownVersion {
        /// The store's directory.
        root: PathBuf,
        /// What its version file says.
        found: String,
        /// What this program can handle.
        known: &'static str,
    },
    /// A file of the store does not hold what it should.
    #[error("`{path}` is damaged")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A document cannot be written as JSON.
    #[error("cannot write {what} as JSON")]
    Encode {
        /// Which document.
        what: &'static str,
        /// What the encoder says.
        #[source]
        source: serde_json::Error,
    },
    /// A document is not JSON of the expected shape.
    #[error("{what} `{digest}` is malformed")]
    Malformed {
        /// Which document.
        what: &'static str,
        /// Its digest.
        digest: Digest,
        /// What the parser says.
        #[source]
        source: serde_json::Error,
    },
    /// The store has no such blob.
    #[error("blob `{0}` is not in the store")]
    BlobMissing(Digest),
    /// A blob's size is not the one that its descriptor says.
    #[error("blob `{digest}` should have `{expected}` bytes, but has `{found}`")]
    SizeMismatch {
        /// Which blob.
        digest: Digest,
        /// Size in bytes by its descriptor.
        expected: u64,
        /// Size in bytes that was found; for a blob that is too long, the first count beyond the expected one.
        found: u64,
    },
    /// A document is larger than dhow is willing to hold in memory.
    #[error("document `{digest}` has `{size}` bytes, more than the limit of `{limit}`")]
    DocumentTooLarge {
        /// Which document.
        digest: Digest,
        /// Its size in bytes.
        size: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// The store has no such layer.
    #[error("layer `{0}` is not in the store")]
    LayerMissing(String),
    /// The files of a layer were not on the disk when the machine failed.
    #[error("layer `{0}` was lost when the machine failed before its files were on the disk")]
    LayerLost(String),
    /// The text is not the id of a layer.
    #[error("`{0}` is not a layer id: it must be hexadecimal digits")]
    InvalidLayerId(String),
    /// An image's layers are not those that its config lists.
    #[error("the config of image `{image}` does not fit its layers: {reason}")]
    LayersMismatch {
        /// The image's id.
        image: Digest,
        /// Where they differ.
        reason: String,
    },
    /// No image goes by that name.
    #[error("no image `{name}` in the store")]
    ImageNotFound {
        /// What was asked for.
        name: String,
        /// References that look much like it.
        similar: Vec<String>,
    },
    /// Several image ids begin with the same digits.
    #[error("image id `{prefix}` is ambiguous: it stands for {}", .candidates.join(", "))]
    AmbiguousId {
        /// The digits.
        prefix: String,
        /// The ids, shortened.
        candidates: Vec<String>,
    },
    /// A rule keeps an image from being removed.
    #[error("cannot remove image `{name}`")]
    ImageInUse {
        /// What was asked for.
        name: String,
        /// The rule.
        #[source]
        conflict: Conflict,
    },
    /// The text is not an image reference.
    #[error(transparent)]
    Reference(#[from] InvalidReference),
    /// An archive cannot be loaded or imported.
    #[error("cannot read the archive")]
    Archive(#[from] ArchiveProblem),
    /// Somebody else is using the store.
    #[error("the store `{0}` is in use by another dhow process")]
    InUse(PathBuf),
    /// Mounting an overlay failed.
    #[error("cannot mount an overlay of {layers} layers ({step})")]
    Mount {
        /// The number of lower directories.
        layers: usize,
        /// The step of the mount that failed.
        step: &'static str,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// More layers than the kernel stacks.
    #[error("a stack of {0} layers is more than the 500 that the kernel's overlay file system takes")]
    TooManyLayers(usize),
}

impl Error {
    /// An [`Error::Io`], for `map_err`.
    ///
    /// An error of this crate that travelled inside an [`io::Error`] is taken out.
    pub(crate) fn io<E: Into<io::Error>>(action: &'static str, path: &Path) -> impl FnOnce(E) -> Self + use<E> {
        let path = path.to_owned();
        move |source| match source.into().downcast::<Self>() {
            Ok(own) => own,
            Err(source) => Self::Io { action, path, source },
        }
    }

    /// An [`Error::Stream`], for `map_err`; with the same exception.
    pub(crate) fn stream(action: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| match source.downcast::<Self>() {
            Ok(own) => own,
            Err(source) => Self::Stream { action, source },
        }
    }

    /// An [`Error::Damaged`], for `map_err`.
    pub(crate) fn damaged<E>(path: &Path) -> impl FnOnce(E) -> Self
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        move |source| Self::Damaged { path: path.to_owned(), source: source.into() }
    }

    /// What the user can do about it, where that is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Io { source, .. } | Self::Stream { source, .. } => hint_for(source),
            Self::UnsafePath { .. } => {
                Some("the archive or image is damaged or hostile; do not use it, ask its maker for another".to_owned())
            }
            Self::NoSafePaths => Some("use Linux 5.6 or later".to_owned()),
            Self::NotPackable { .. } => Some("remove or rename the file in the step that makes it".to_owned()),
            Self::NoMediaType { .. } => Some("use OCI's media types, or compress with gzip by force".to_owned()),
            Self::InvalidEntry { .. } => Some("make the archive again, or check it with `tar -tvf`".to_owned()),
            Self::DigestMismatch { .. } => Some("the content was damaged on its way; fetch it again".to_owned()),
            Self::Mount { source, .. } => mount_hint(source),
            Self::TooManyLayers(_) => Some("merge steps, or flatten the base image".to_owned()),
            Self::NotAStore(_) => Some("name an empty or a new directory with `--root`".to_owned()),
            Self::UnknownVersion { .. } => Some("use the dhow that made it, or another `--root`".to_owned()),
            Self::Damaged { path, .. } => Some(format!("remove `{}` and get the image again", path.display())),
            Self::BlobMissing(_) | Self::LayerMissing(_) => Some("pull, load or build the image again".to_owned()),
            Self::SizeMismatch { .. } => {
                Some("the content is corrupt or was cut short: get it again from its source".to_owned())
            }
            Self::ImageNotFound { similar, .. } if !similar.is_empty() => {
                Some(format!("did you mean {}?", similar.join(" or ")))
            }
            Self::ImageNotFound { .. } => Some("`dhow images` lists what there is; `dhow pull` gets more".to_owned()),
            Self::AmbiguousId { .. } => Some("give more digits of the id".to_owned()),
            Self::ImageInUse { conflict, .. } => Some(conflict.hint()),
            Self::Archive(problem) => problem.hint(),
            Self::InUse(_) => Some("wait until the other commands have ended, and try again".to_owned()),
            _ => None,
        }
    }
}

fn hint_for(source: &io::Error) -> Option<String> {
    let text = match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "the disk is full; free space, or point `--root` at another disk"
        }
        io::ErrorKind::ReadOnlyFilesystem => "the file system is read-only; point `--root` at a writable place",
        io::ErrorKind::PermissionDenied => "check the owner and mode of the store, or choose another with `--root`",
        io::ErrorKind::UnexpectedEof => "the input ends too early; fetch or make it again",
        _ => return None,
    };
    Some(text.to_owned())
}

fn mount_hint(source: &io::Error) -> Option<String> {
    let text = match source.kind() {
        io::ErrorKind::PermissionDenied => {
            "mounting is not allowed here; choose the copying snapshotter, or run with mount rights"
        }
        _ => "this file system or kernel may not support overlays; choose the copying snapshotter",
    };
    Some(text.to_owned())
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        Self::new(io::ErrorKind::InvalidData, error)
    }
}
