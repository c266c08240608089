//! Layers: between a directory tree and the tar that the OCI image specification calls a layer (`layer.md`).
//!
//! Packing is canonical: the same tree gives the same bytes on every machine and at every level of privilege.

mod pack;
mod unpack;
mod whiteout;

pub(crate) use pack::pack;
pub use unpack::{Unpacked, Whiteouts, unpack};

#[cfg(test)]
mod tests;
