//! Media types of manifests, configs and layers (image-spec `media-types.md`, and Docker's image manifest v2 schema 2).

use std::fmt;

use serde::{Deserialize, Serialize};

/// How a layer's tar is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Compression {
    /// A plain tar.
    None,
    /// RFC 1952, possibly of several members.
    Gzip,
    /// RFC 8878, possibly of several frames.
    Zstd,
}

macro_rules! media_types {
    ($($(#[$doc:meta])* $variant:ident = $text:literal),+ $(,)?) => {
        /// A media type; one that dhow does not know is kept as text.
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        pub enum MediaType {
            $($(#[$doc])* $variant,)+
            /// Any other, as received.
            Other(String),
        }

        impl MediaType {
            /// The text form.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $text,)+
                    Self::Other(text) => text,
                }
            }
        }

        impl From<&str> for MediaType {
            fn from(text: &str) -> Self {
                match text {
                    $($text => Self::$variant,)+
                    other => Self::Other(other.to_owned()),
                }
            }
        }
    };
}

media_types! {
    /// OCI image index.
    OciIndex = "application/vnd.oci.image.index.v1+json",
    /// OCI image manifest.
    OciManifest = "application/vnd.oci.image.manifest.v1+json",
    /// OCI image config.
    OciConfig = "application/vnd.oci.image.config.v1+json",
    /// OCI layer, not compressed.
    OciLayer = "application/vnd.oci.image.layer.v1.tar",
    /// OCI layer in gzip.
    OciLayerGzip = "application/vnd.oci.image.layer.v1.tar+gzip",
    /// OCI layer in zstd.
    OciLayerZstd = "application/vnd.oci.image.layer.v1.tar+zstd",
    /// The two bytes `{}`.
    OciEmpty = "application/vnd.oci.empty.v1+json",
    /// Docker manifest list.
    DockerList = "application/vnd.docker.distribution.manifest.list.v2+json",
    /// Docker image manifest, schema 2.
    DockerManifest = "application/vnd.docker.distribution.manifest.v2+json",
    /// Docker image config.
    DockerConfig = "application/vnd.docker.container.image.v1+json",
    /// Docker layer, not compressed.
    DockerLayer = "application/vnd.docker.image.rootfs.diff.tar",
    /// Docker layer in gzip.
    DockerLayerGzip = "application/vnd.docker.image.rootfs.diff.tar.gzip",
    /// Docker layer in zstd, as some tools write it.
    DockerLayerZstd = "application/vnd.docker.image.rootfs.diff.tar.zstd",
    /// Docker image manifest, schema 1: recognised in order to be refused by name.
    DockerSchema1 = "application/vnd.docker.distribution.manifest.v1+json",
    /// Docker image manifest, schema 1, signed.
    DockerSchema1Signed = "application/vnd.docker.distribution.manifest.v1+prettyjws",
}

impl MediaType {
    /// Whether it lists manifests of several platforms.
    pub fn is_index(&self) -> bool {
        matches!(self, Self::OciIndex | Self::DockerList)
    }

    /// Whether it is the manifest of one image.
    pub fn is_manifest(&self) -> bool {
        matches!(self, Self::OciManifest | Self::DockerManifest)
    }

    /// Whether it is an image's config.
    pub fn is_config(&self) -> bool {
        matches!(self, Self::OciConfig | Self::DockerConfig)
    }

    /// The compression of a layer; `None` if this is no layer that dhow can read.
    pub fn layer_compression(&self) -> Option<Compression> {
        match self {
            Self::OciLayer | Self::DockerLayer => Some(Compression::None),
            Self::OciLayerGzip | Self::DockerLayerGzip => Some(Compression::Gzip),
            Self::OciLayerZstd | Self::DockerLayerZstd => Some(Compression::Zstd),
            _ => None,
        }
    }

    /// The OCI media type of a layer so compressed.
    pub fn oci_layer(compression: Compression) -> Self {
        match compression {
            Compression::None => Self::OciLayer,
            Compression::Gzip => Self::OciLayerGzip,
            Compression::Zstd => Self::OciLayerZstd,
        }
    }
}

impl fmt::Display for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for MediaType {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for MediaType {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::from(String::deserialize(deserializer)?.as_str()))
    }
}
