//! The values of the OCI image specification, version 1.1, and of Docker's image format: data only, no I/O.
//!
//! What is parsed here is what registries, archives and the store exchange. Nothing in this module
//! opens a file or a connection.

mod config;
mod descriptor;
mod digest;
mod manifest;
mod media_type;
mod platform;
mod raw;
mod reference;

pub use config::{ContainerConfig, Empty, Healthcheck, History, ImageConfig, RootFs};
pub use descriptor::Descriptor;
pub use digest::{ChainId, DiffId, Digest, DigestWriter, ImageId, InvalidDigest};
pub use manifest::{Index, Manifest, ManifestKind};
pub use media_type::{Compression, MediaType};
pub use platform::{InvalidPlatform, Platform};
pub use raw::Raw;
pub use reference::{InvalidReference, Reference};
