//! Contexts that are not here: a file from the web, or an archive on standard input or from the web, in a directory of
//! the store that goes with the build.

use std::fs::{self, File};
use std::io::{Read, Seek};
use std::path::{Path, PathBuf};

use anyhow::Context;
use dhow_builder::decompressed;
use dhow_layer_store::{Root, StagingDir, Store, Whiteouts, unpack};
use dhow_registry_client::WebRequest;

use crate::wiring::Remote;

/// What a file is called that came without a name, as in the reference.
pub(super) const NAME: &str = "context";
/// Bytes that tell a tar from a text: its first block.
pub(super) const BLOCK: usize = 512;
/// Where a tar's first block says that it is one.
const MAGIC: std::ops::Range<usize> = 257..262;

/// A directory that goes when dropped.
pub(super) struct Fetched {
    staging: StagingDir,
}

impl Fetched {
    /// A new, empty one.
    ///
    /// # Errors
    /// The store refuses.
    pub(super) fn new(store: &Store) -> anyhow::Result<Self> {
        let staging = store.staging()?;
        fs::create_dir(staging.path().join(NAME))
            .with_context(|| format!("cannot write `{}`", staging.path().display()))?;
        Ok(Self { staging })
    }

    /// The file at `url` alone.
    ///
    /// # Errors
    /// It cannot be had.
    pub(super) fn download(url: &str, store: &Store, remote: &Remote) -> anyhow::Result<Self> {
        let fetched = Self::new(store)?;
        let path = fetched.path().join(NAME);
        let mut file = File::create_new(&path).with_context(|| format!("cannot write `{}`", path.display()))?;
        let request = WebRequest { url, etag: None, authorization: None };
        remote.get(&request, &mut file)?;
        Ok(fetched)
    }

    /// The directory.
    pub(super) fn path(&self) -> PathBuf {
        self.staging.path().join(NAME)
    }

    /// Where the one downloaded file is.
    pub(super) fn file(&self) -> PathBuf {
        self.path().join(NAME)
    }

    /// The files of the downloaded archive in the file's place; whether it is one.
    ///
    /// # Errors
    /// It is damaged.
    pub(super) fn unpack_file(&self, store: &Store) -> anyhow::Result<bool> {
        let path = self.file();
        let mut file = File::open(&path).with_context(|| format!("cannot read `{}`", path.display()))?;
        let mut begun = Vec::with_capacity(BLOCK);
        (&mut file).take(BLOCK as u64).read_to_end(&mut begun)?;
        if !is_archive(&begun) {
            return Ok(false);
        }
        file.rewind()?;
        // The open file is all that is needed of it.
        fs::remove_file(&path)?;
        self.unpack(file, store).map(|()| true)
    }

    /// Unpacks the archive `input`.
    ///
    /// # Errors
    /// It is damaged.
    pub(super) fn unpack(&self, input: impl Read, store: &Store) -> anyhow::Result<()> {
        let root = Root::open(&self.path())?.with_ownership(store.options().ownership)?;
        unpack(decompressed(input).context("cannot decompress the context")?, &root, Whiteouts::Literal)?;
        Ok(())
    }
}

/// Whether the bytes begin a tar or a compressed file.
pub(super) fn is_archive(begun: &[u8]) -> bool {
    const COMPRESSED: [&[u8]; 4] = [&[0x1f, 0x8b], &[0x28, 0xb5, 0x2f, 0xfd], b"BZh", &[0xfd, b'7', b'z', b'X', b'Z']];
    begun.get(MAGIC) == Some(b"ustar") || COMPRESSED.iter().any(|magic| begun.starts_with(magic))
}

/// The path of `name` in the directory `top`, which it cannot leave.
///
/// # Errors
/// There is no such file.
pub(super) fn inside(top: &Path, name: &Path) -> anyhow::Result<PathBuf> {
    let root = Root::open(top)?;
    Ok(top.join(root.resolve(name.strip_prefix("/").unwrap_or(name))?))
}

#[cfg(test)]
mod tests {
    use super::is_archive;

    #[test]
    fn archives_are_told_from_texts() {
        let mut tar = vec![0; 512];
        tar[257..262].copy_from_slice(b"ustar");
        for (bytes, expected) in
            [(&tar[..], true), (&[0x1f, 0x8b, 8][..], true), (b"FROM scratch\n", false), (b"", false)]
        {
            assert_eq!(is_archive(bytes), expected);
        }
    }
}
