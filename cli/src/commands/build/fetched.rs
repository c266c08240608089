//! Contexts that are not here: a repository, a file from the web, or an archive on standard input or from the web, in a directory of
//! the store that goes with the build.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Seek};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use anyhow::Context;
use dhow_builder::plan::GitSource;
use dhow_builder::{Checkout, ContextDate, Downloaded, GitRequest, decompressed, git_authorization, web_authorization};
use dhow_layer_store::{Root, StagingDir, Store, Whiteouts, unpack};
use dhow_registry_client::WebRequest;

use crate::problem::Problem;
use crate::wiring::Remote;

/// What a file is called that came without a name, as in the reference.
pub(super) const NAME: &str = "context";
/// Bytes that tell a tar from a text: its first block.
pub(super) const BLOCK: usize = 512;
/// Where a tar's first block says that it is one.
const MAGIC: std::ops::Range<usize> = 257..262;

/// What contexts are fetched with.
pub(super) struct From<'a> {
    pub(super) store: &'a Store,
    pub(super) remote: &'a Remote,
    /// `--secret`, by id.
    pub(super) secrets: &'a BTreeMap<String, Vec<u8>>,
}

/// A directory that goes when dropped.
pub(super) struct Fetched {
    staging: StagingDir,
    date: ContextDate,
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
        Ok(Self { staging, date: ContextDate::None })
    }

    /// The file at `url` alone.
    ///
    /// # Errors
    /// It cannot be had.
    pub(super) fn download(url: &str, from: &From<'_>) -> anyhow::Result<Self> {
        let mut fetched = Self::new(from.store)?;
        let authorization = web_authorization(from.secrets, url);
        let path = fetched.path().join(NAME);
        let mut file = File::create_new(&path).with_context(|| format!("cannot write `{}`", path.display()))?;
        let request = WebRequest { url, authorization: authorization.as_deref(), ..WebRequest::default() };
        let modified = match from.remote.get(&request, &mut file)? {
            Downloaded::New { modified, .. } => modified,
            Downloaded::Unchanged => None,
        };
        let seconds = modified.and_then(|time| time.duration_since(UNIX_EPOCH).ok()?.as_secs().try_into().ok());
        fetched.date = seconds.map_or(ContextDate::NewestEntry(NAME.into()), ContextDate::Seconds);
        Ok(fetched)
    }

    /// The files of a repository.
    ///
    /// # Errors
    /// They cannot be had, or are not those of the checksum.
    pub(super) fn checkout(source: &GitSource, from: &From<'_>) -> anyhow::Result<Self> {
        let mut fetched = Self::new(from.store)?;
        let authorization = git_authorization(from.secrets, &source.remote);
        let request = GitRequest { source, authorization: authorization.as_deref() };
        let git = from.remote.git();
        let commit = git.commit(&request)?;
        if let Some(checksum) = source.checksum.as_deref().filter(|checksum| !commit.has_checksum(checksum)) {
            let text = format!("the commit is `{}`, which does not begin with `{checksum}`", commit.commit);
            return Err(Problem::new(text).into());
        }
        let checkout = Checkout { commit: &commit, keep_git_dir: source.keep_git_dir == Some(true) };
        let date = git.checkout(&request, &checkout, &fetched.root(from.store)?)?;
        fetched.date = ContextDate::Seconds(date);
        Ok(fetched)
    }

    /// The date of what was fetched.
    pub(super) fn date(&self) -> ContextDate {
        self.date.clone()
    }

    fn root(&self, store: &Store) -> anyhow::Result<Root> {
        Ok(Root::open(&self.path())?.with_ownership(store.options().ownership)?)
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
    pub(super) fn unpack_file(&mut self, store: &Store) -> anyhow::Result<bool> {
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
    pub(super) fn unpack(&mut self, input: impl Read, store: &Store) -> anyhow::Result<()> {
        let root = self.root(store)?;
        if !matches!(self.date, ContextDate::Seconds(_)) {
            self.date = ContextDate::NewestFile;
        }
        unpack(decompressed(input).context("cannot decompress the context")?, &root, Whiteouts::Literal)?;
        Ok(())
    }
}

/// Whether the bytes begin a tar or a compressed file.
pub(super) fn is_archive(begun: &[u8]) -> bool {
    const COMPRESSED: [&[u8]; 4] = [&[0x1f, 0x8b], &[0x28, 0xb5, 0x2f, 0xfd], b"BZh", &[0xfd, b'7', b'z', b'X', b'Z']];
    begun.get(MAGIC) == Some(b"ustar") || COMPRESSED.iter().any(|magic| begun.starts_with(magic))
}

/// The repository that `text` names, if it names one; `github.com/owner/name` does too.
///
/// # Errors
/// What it says of it is wrong.
pub(super) fn git_source(text: &str) -> Result<Option<GitSource>, Problem> {
    let address = match text.strip_prefix("github.com/") {
        Some(_) => {
            let (path, rest) = text.split_at(text.find(['#', '?']).unwrap_or(text.len()));
            let path = path.trim_end_matches('/');
            format!("https://{}.git{rest}", path.strip_suffix(".git").unwrap_or(path))
        }
        None => text.to_owned(),
    };
    GitSource::parse(&address).map_err(|reason| Problem::usage(format!("`{text}` is no repository: {reason}")))
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
    use super::{git_source, is_archive};

    #[test]
    fn repositories_are_told_from_files() {
        let remote = |text: &str| git_source(text).map(|source| source.map(|source| source.remote));
        for (text, expected) in [
            ("github.com/a/b#main:dir", Some("https://github.com/a/b.git")),
            ("github.com/a/b.git/", Some("https://github.com/a/b.git")),
            ("https://e.com/a.git?ref=x", Some("https://e.com/a.git")),
            ("git://e.com/a", Some("git://e.com/a")),
            ("https://e.com/a.tar", None),
        ] {
            assert_eq!(remote(text).unwrap().as_deref(), expected, "{text}");
        }
        assert!(remote("https://e.com/a.git?nope=1").is_err());
    }

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
