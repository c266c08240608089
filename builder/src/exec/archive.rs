//! Archives that `ADD` unpacks: tar, plain or compressed with gzip or zstd.
//!
//! Whether a file is one is decided by its content, as in the reference: whatever is compressed, its first block must be
//! a tar header. Owners are those of the archive, unless `--chown` says otherwise.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::{Path, PathBuf};

use dhow_layer_store::{Decompressor, FileKind, Root, TarReader, Whiteouts};

use crate::context::{Filter, Match, SourceTree, clean, select};
use crate::error::{BuildError, Result};
use crate::exec::place::{Destination, Landing};

/// The beginnings of compressed files that cannot be read here.
const UNREADABLE: [(&[u8], &str); 4] =
    [(b"BZh", "bzip2"), (b"\xfd7zXZ\0", "xz"), (b"LZIP", "lzip"), (b"\x1f\x9d", "compress")];

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
    match landing.owner {
        None => unpack_here(file, &found.real, &target)?,
        Some(_) => unpack_owned(landing, (file, &found.real), &target)?,
    }
    Ok(true)
}

/// Whether the file's content begins with a tar header.
fn is_archive(file: &mut File, path: &Path) -> Result<bool> {
    let mut magic = [0; 6];
    let count = read_start(file, &mut magic).map_err(BuildError::io("read", path))?;
    for (start, compression) in UNREADABLE {
        if magic[..count].starts_with(start) {
            return Err(BuildError::UnknownCompression { path: path.to_owned(), compression });
        }
    }
    let Ok(stream) = Decompressor::new(&mut *file) else { return Ok(false) };
    let is_archive = matches!(TarReader::new(stream).next_entry(), Ok(Some(_)));
    file.rewind().map_err(BuildError::io("read", path))?;
    Ok(is_archive)
}

fn read_start(file: &mut File, start: &mut [u8]) -> io::Result<usize> {
    let mut count = 0;
    loop {
        match file.read(&mut start[count..])? {
            0 => break,
            more => count += more,
        }
    }
    file.rewind()?;
    Ok(count)
}

/// The target keeps its own owner and mode, whatever the archive's entry for its top says.
fn unpack_here(file: File, path: &Path, target: &Root) -> Result<()> {
    let top = Path::new(".");
    let before = target.stat(top)?;
    let failed = |source| BuildError::Archive { path: path.to_owned(), source };
    let stream = Decompressor::new(file).map_err(failed)?;
    dhow_layer_store::unpack(stream, target, Whiteouts::Literal).map_err(|error| failed(io::Error::other(error)))?;
    if let Some(before) = before {
        target.set_owner(top, before.uid, before.gid)?;
        target.set_mode(top, before.mode)?;
    }
    Ok(())
}

/// Unpacks beside the tree first, and copies from there with the owner that was asked for.
fn unpack_owned(landing: &Landing<'_>, (file, path): (File, &Path), target: &Root) -> Result<()> {
    let beside = PathBuf::from(format!(".dhow-unpack-{}", std::process::id()));
    target.create_dir(&beside, 0o700)?;
    let copied = || -> Result<()> {
        let staged = target.open_root(&beside)?;
        unpack_here(file, path, &staged)?;
        let tree = SourceTree::of_image(&staged);
        let into = Landing {
            root: target,
            destination: Path::new("/"),
            shape: Destination::Directory,
            chmod: None,
            ..*landing
        };
        select(&tree, Path::new(""), &Filter::default())?.iter().try_for_each(|found| into.place(&tree, found))
    };
    let result = copied();
    target.remove_all(&beside)?;
    result
}
