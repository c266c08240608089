//! Whether a file that a step may have changed is after all the one that the layers below show.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};

use super::merged::MergedDir;
use crate::root::{Dir, FileKind, Metadata, Xattr, is_portable_xattr};

/// Whether `name` in `dir`, no directory, is the same in `below`: kind, mode, owner, time, attributes and content.
pub(super) fn is_unchanged(dir: &Dir, name: &OsStr, below: &MergedDir) -> io::Result<bool> {
    let here = dir.stat(name)?;
    let Some(there) = below.stat(name)? else { return Ok(false) };
    if !same_metadata(&here, &there) || here.size != there.size {
        return Ok(false);
    }
    if portable(dir.xattrs(name)?) != portable(below.xattrs(name)?) {
        return Ok(false);
    }
    match here.kind {
        FileKind::Regular => same_content(dir.open_file(name)?, below.open_file(name)?),
        FileKind::Symlink => Ok(dir.read_link(name)? == below.read_link(name)?),
        _ => Ok(true),
    }
}

/// Whether the directory `dir`, apart from what is in it, is as it is in `below`.
pub(super) fn is_same_directory(before: &Metadata, dir: &Dir, below: &MergedDir) -> io::Result<bool> {
    let Some(there) = below.stat_self()? else { return Ok(false) };
    Ok(same_metadata(before, &there) && portable(dir.xattrs(OsStr::new("."))?) == portable(below.xattrs_self()?))
}

/// The size of a directory says nothing, and links between layers do not exist.
fn same_metadata(here: &Metadata, there: &Metadata) -> bool {
    let key = |metadata: &Metadata| (metadata.kind, metadata.mode, metadata.uid, metadata.gid, metadata.mtime);
    key(here) == key(there)
}

fn portable(mut xattrs: Vec<Xattr>) -> Vec<Xattr> {
    xattrs.retain(|(name, _)| is_portable_xattr(name));
    xattrs
}

fn same_content(mut here: File, mut there: File) -> io::Result<bool> {
    let (mut left, mut right) = (vec![0; 64 * 1024], vec![0; 64 * 1024]);
    loop {
        let count = fill(&mut here, &mut left)?;
        if count != fill(&mut there, &mut right)? || left[..count] != right[..count] {
            return Ok(false);
        }
        if count < left.len() {
            return Ok(true);
        }
    }
}

fn fill(file: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read(&mut buffer[filled..])? {
            0 => break,
            count => filled += count,
        }
    }
    Ok(filled)
}
