//! Reading and writing tar streams (POSIX.1-2024 `pax`, with the GNU extensions that layers in the wild use).
//!
//! The reader takes what Docker, GNU tar, bsdtar and Go write; the writer has one canonical form: `ustar` headers, a pax
//! header only where a value does not fit, whole seconds, no user names. Neither touches the file system.

mod entry;
mod header;
mod pax;
mod reader;
mod sparse;
mod writer;

pub use entry::{EntryKind, TarEntry};
pub use reader::TarReader;
pub use writer::TarWriter;

/// The unit of a tar stream in bytes: headers take one, data is padded to whole ones.
pub(crate) const BLOCK: usize = 512;

/// The most that one extension header may take: names, links and attributes of one file, in bytes.
const MAX_EXTENSION: u64 = 1 << 20;

#[cfg(test)]
mod tests;
