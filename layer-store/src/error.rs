//! What can go wrong in the layer store: one variant for each thing that failed, with what it failed on.

use std::io;
use std::path::{Path, PathBuf};

use crate::oci::{Digest, InvalidDigest};

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
    pub(crate) fn io<E: Into<io::Error>>(action: &'static str, path: &Path) -> impl FnOnce(E) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source: source.into() }
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
            Self::InvalidEntry { .. } => Some("make the archive again, or check it with `tar -tvf`".to_owned()),
            Self::DigestMismatch { .. } => Some("the content was damaged on its way; fetch it again".to_owned()),
            Self::Mount { source, .. } => mount_hint(source),
            Self::TooManyLayers(_) => Some("merge steps, or flatten the base image".to_owned()),
            Self::InvalidDigest(_) => None,
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
