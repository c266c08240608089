//! Archives that `ADD` unpacks: tar, plain or compressed with gzip, bzip2, xz or zstd.
//!
//! Whether a file is one is decided by its content, as in the reference: whatever is compressed, its first block must be
//! a tar header. Owners and modes are those of the archive, whatever `--chown` and `--chmod` say.

use std::fs::File;
use std::io::{self, BufReader, Cursor, Read, Seek};
use std::path::Path;

use bzip2::read::MultiBzDecoder;
use dhow_layer_store::{Decompressor, FileKind, Root, TarReader, Whiteouts};
use lzma_rust2::XzReader;

use crate::context::{Match, SourceTree, clean};
use crate::error::{BuildError, Result};
use crate::exec::place::Landing;

/// The beginnings of files whose compression the layer store does not know, as layers never have it.
const BZIP2: &[u8] = b"BZh";
const XZ: &[u8] = b"\xfd7zXZ\0";

/// Unpacks `found` in the destination if it is an archive; whether it was one.
///
/// # Errors
/// It is damaged, or of a kind that cannot be read.
pub(crate) fn unpack(landing: &Landing<'_>, tree: &SourceTree<'_>, found: &Match) -> Result<bool> {
    if found.top().metadata.kind != FileKind::Regular {
        return Ok(false);
    }
    let mut file = tree.root.open_file(&found.real)?;
    if !is_archive(&mut file, &found.real)? {
        return Ok(false);
    }
    let destination = clean(landing.destination);
    landing.make_dirs(&destination)?;
    let target = landing.root.open_root(&destination)?;
    unpack_here(file, &found.real, &target)?;
    Ok(true)
}

/// Whether the file's content begins with a tar header.
fn is_archive(file: &mut File, path: &Path) -> Result<bool> {
    // What cannot be decompressed is no archive, but a file.
    let is_archive = match decompressed(&mut *file) {
        Ok(stream) => matches!(TarReader::new(stream).next_entry(), Ok(Some(_))),
        Err(_) => false,
    };
    file.rewind().map_err(BuildError::io("read", path))?;
    Ok(is_archive)
}

/// The bytes without their compression: gzip, bzip2, xz, zstd or none, told by how they begin.
///
/// # Errors
/// They cannot be read, or begin as no stream of their kind does.
pub fn decompressed<'a>(input: impl Read + 'a) -> io::Result<Box<dyn Read + 'a>> {
    let mut input = input;
    let mut start = Vec::with_capacity(XZ.len());
    input.by_ref().take(XZ.len() as u64).read_to_end(&mut start)?;
    let kind = start.clone();
    let whole = Cursor::new(start).chain(input);
    Ok(if kind.starts_with(BZIP2) {
        Box::new(MultiBzDecoder::new(whole))
    } else if kind.starts_with(XZ) {
        Box::new(XzReader::new(BufReader::new(whole), true))
    } else {
        Box::new(Decompressor::new(whole)?)
    })
}

/// The target keeps its own owner and mode, whatever the archive's entry for its top says.
fn unpack_here(file: File, path: &Path, target: &Root) -> Result<()> {
    let top = Path::new(".");
    let before = target.stat(top)?;
    let failed = |source| BuildError::Archive { path: path.to_owned(), source };
    let stream = decompressed(file).map_err(failed)?;
    dhow_layer_store::unpack(stream, target, Whiteouts::Literal).map_err(|error| failed(io::Error::other(error)))?;
    if let Some(before) = before {
        target.set_owner(top, before.uid, before.gid)?;
        target.set_mode(top, before.mode)?;
    }
    Ok(())
}
