//! What can be wrong with an archive that is to be loaded.

use crate::oci::Digest;

/// Why an archive cannot be loaded. Nothing of it was added to the store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveProblem {
    /// There is nothing to read.
    #[error("the archive is empty")]
    Empty,
    /// It is compressed in a way that dhow does not read.
    #[error("the archive is compressed with `{0}`, which dhow does not read")]
    Compression(&'static str),
    /// It is a tar, but of something else.
    #[error("the tar is no image archive: it has neither `manifest.json` nor `index.json`")]
    NotAnImage,
    /// It is an image archive where a root file system was asked for.
    #[error("the tar is an image archive, not a root file system")]
    NotARootFs,
    /// It was made by a Docker before 1.10.
    #[error("the archive has the format of Docker before 1.10: `repositories`, but no `manifest.json`")]
    BeforeManifests,
    /// It has more members than any image archive.
    #[error("the archive has more than `{0}` members")]
    TooManyMembers(usize),
    /// A member's name leads out of the archive.
    #[error("the member `{0}` of the archive has an unsafe name")]
    UnsafeName(String),
    /// Two different members have the same name.
    #[error("the archive has two different members named `{0}`")]
    DuplicateName(String),
    /// A member is a device, or something else that has no place there.
    #[error("the member `{0}` of the archive is neither a file nor a directory nor a link")]
    UnexpectedKind(String),
    /// Something refers to a member that is not there.
    #[error("`{wanted_by}` refers to `{name}`, which the archive does not have")]
    MissingMember {
        /// The member that is missing.
        name: String,
        /// The member that refers to it.
        wanted_by: String,
    },
    /// A member that should be JSON is not, or has another shape.
    #[error("the member `{name}` of the archive is malformed")]
    Malformed {
        /// The member.
        name: String,
        /// What the parser says.
        #[source]
        source: serde_json::Error,
    },
    /// A member is too large for a document.
    #[error("the member `{name}` of the archive has `{size}` bytes, too many for a document")]
    DocumentTooLarge {
        /// The member.
        name: String,
        /// Its size in bytes.
        size: u64,
    },
    /// A member does not have the digest that it is named or described by.
    #[error("the member `{name}` of the archive should have digest `{expected}`, but has `{found}`")]
    WrongDigest {
        /// The member.
        name: String,
        /// The digest it should have.
        expected: Digest,
        /// The digest it has.
        found: Digest,
    },
    /// A member does not have the size that it is described by.
    #[error("the member `{name}` of the archive should have `{expected}` bytes, but has `{found}`")]
    WrongSize {
        /// The member.
        name: String,
        /// The size in bytes it should have.
        expected: u64,
        /// The size in bytes it has.
        found: u64,
    },
    /// A layer's content is not what the config lists.
    #[error("the layer `{name}` of the archive should have diff id `{expected}`, but its content has `{found}`")]
    WrongDiffId {
        /// The member.
        name: String,
        /// The diff id by the config.
        expected: Digest,
        /// The diff id of the content.
        found: Digest,
    },
    /// A layer's content cannot be decompressed.
    #[error("the layer `{name}` of the archive is damaged")]
    DamagedLayer {
        /// The member.
        name: String,
        /// What the decoder says.
        #[source]
        source: std::io::Error,
    },
    /// The config lists another number of layers than there are.
    #[error("the config `{config}` lists `{listed}` layers, but the archive has `{found}` for it")]
    LayerCount {
        /// The config's member.
        config: String,
        /// Layers listed by the config.
        listed: usize,
        /// Layers of the archive.
        found: usize,
    },
    /// It has a document of a kind that dhow does not know.
    #[error("`{name}` is of kind `{kind}`, which dhow does not load")]
    UnknownKind {
        /// The member.
        name: String,
        /// Its media type or version.
        kind: String,
    },
    /// It has no image.
    #[error("the archive has no image")]
    NoImage,
}

impl ArchiveProblem {
    /// The remedy, if one is known.
    pub(crate) fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Empty | Self::NoImage => "make it again with `dhow save` or `docker save`",
            Self::Compression("xz") => "pipe it through `xz -dc`",
            Self::Compression("bzip2") => "pipe it through `bzip2 -dc`",
            Self::Compression("zip") => "unpack it with `unzip`, and load the tar that is in it",
            Self::Compression(_) => "decompress it first",
            Self::NotAnImage => "if it is a root file system, use `dhow import`",
            Self::NotARootFs => "use `dhow load`",
            Self::BeforeManifests => "load it with Docker 1.10 or later, and save it again",
            Self::UnknownKind { .. } => "save the image with a newer program, or ask its maker",
            _ => "the archive is damaged or incomplete: make or fetch it again",
        };
        Some(text.to_owned())
    }
}
