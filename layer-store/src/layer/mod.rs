//! Layers: between a directory tree and the tar that the OCI image specification calls a layer (`layer.md`).
//!
//! Packing is canonical: the same tree gives the same bytes on every machine and at every level of privilege.

mod clamp;
mod compress;
mod contents;
mod decompress;
mod gzip;
mod hash_sink;
mod pack;
mod pipe;
mod template;
mod unpack;
pub(crate) mod unsynced;
pub(crate) mod whiteout;

pub use compress::Compressor;
pub use contents::TarStream;
pub(crate) use contents::level_of;
pub use decompress::Decompressor;
pub(crate) use hash_sink::HashSink;
pub use pack::write_trees;
pub(crate) use pack::{pack, pack_until};
pub use pipe::PipeReader;
pub(crate) use pipe::pack_hashed;
pub use unpack::{Unpacked, Whiteouts, unpack};

#[cfg(test)]
mod tests;
