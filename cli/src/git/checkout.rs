//! The files of a commit, written below a directory that they cannot leave.

use std::ffi::OsStr;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use dhow_layer_store::Root;
use gix_hash::{Kind as HashKind, ObjectId};
use gix_object::tree::EntryKind;
use gix_object::{Kind, TreeRef};

use super::error::GitError;
use super::index;
use super::pack::{Pack, header, object_id};

const GITMODULES: &str = ".gitmodules";

/// What is written, and where.
pub(super) struct CheckoutPlan<'a> {
    /// The directory of the repository whose content is wanted.
    pub(super) subdirectory: Option<&'a Path>,
    /// The empty directory that takes it.
    pub(super) into: &'a Root,
}

/// A submodule in a tree.
#[derive(Debug)]
pub(super) struct Link {
    /// Where its directory is in what was written.
    pub(super) path: PathBuf,
    /// Where it is in the repository.
    pub(super) path_in_repository: PathBuf,
    /// Its commit.
    pub(super) commit: String,
}

/// What was written.
#[derive(Debug, Default)]
pub(super) struct Written {
    pub(super) index: Vec<index::Entry>,
    pub(super) submodules: Vec<Link>,
    /// The repository's `.gitmodules`.
    pub(super) gitmodules: String,
    /// The date of the commit, in seconds since 1970.
    pub(super) date: i64,
}

/// Writes the files of `commit`.
pub(super) fn run(pack: &Pack, commit: &str, plan: &CheckoutPlan<'_>) -> anyhow::Result<Written> {
    let commit = pack.commit(commit)?;
    let top = object_id(header(&commit, "tree").unwrap_or_default())?;
    let prefix = clean(plan.subdirectory.unwrap_or(Path::new("")));
    let mut writer = Writer { pack, into: plan.into, prefix: &prefix, written: Written::default() };
    writer.written.date = committed(&commit)?;
    writer.written.gitmodules = writer.gitmodules(&top)?;
    let tree = writer.subtree(top)?;
    writer.tree(&tree, Path::new(""))?;
    Ok(writer.written)
}

struct Writer<'a> {
    pack: &'a Pack,
    into: &'a Root,
    prefix: &'a Path,
    written: Written,
}

impl Writer<'_> {
    fn gitmodules(&self, top: &ObjectId) -> anyhow::Result<String> {
        let bytes = self.pack.object_of(top, Kind::Tree)?;
        let tree = parse(&bytes)?;
        let entry = tree.entries.iter().find(|entry| entry.filename == GITMODULES && entry.mode.is_blob());
        let Some(entry) = entry else { return Ok(String::new()) };
        Ok(String::from_utf8_lossy(&self.pack.object_of(&entry.oid.to_owned(), Kind::Blob)?).into_owned())
    }

    /// The tree of the directory that is wanted.
    fn subtree(&self, top: ObjectId) -> anyhow::Result<ObjectId> {
        let mut at = top;
        for name in self.prefix.components() {
            let bytes = self.pack.object_of(&at, Kind::Tree)?;
            let tree = parse(&bytes)?;
            let name = name.as_os_str().as_encoded_bytes();
            let entry = tree.entries.iter().find(|entry| entry.filename == name && entry.mode.is_tree());
            at = entry.ok_or_else(|| GitError::NoDirectory(self.prefix.display().to_string()))?.oid.to_owned();
        }
        Ok(at)
    }

    fn tree(&mut self, id: &ObjectId, below: &Path) -> anyhow::Result<()> {
        let bytes = self.pack.object_of(id, Kind::Tree)?;
        for entry in parse(&bytes)?.entries {
            let name = checked(entry.filename)?;
            let (path, id) = (below.join(name), entry.oid.to_owned());
            let write = || format!("cannot write `{}`", path.display());
            let kind = entry.mode.kind();
            match kind {
                EntryKind::Tree => {
                    self.into.create_dir(&path, 0o755).with_context(write)?;
                    self.tree(&id, &path)?;
                }
                EntryKind::Blob => self.file(&path, &id, 0o644).with_context(write)?,
                EntryKind::BlobExecutable => self.file(&path, &id, 0o755).with_context(write)?,
                EntryKind::Link => {
                    let target = self.pack.object_of(&id, Kind::Blob)?;
                    let target = std::str::from_utf8(&target).context("the target of a link is no text")?;
                    self.into.symlink(Path::new(target), &path).with_context(write)?;
                    self.note(&path, kind, (&id, target.len()));
                }
                EntryKind::Commit => {
                    self.into.create_dir(&path, 0o755).with_context(write)?;
                    self.note(&path, kind, (&id, 0));
                    let link = Link {
                        path_in_repository: self.prefix.join(&path),
                        path: path.clone(),
                        commit: id.to_string(),
                    };
                    self.written.submodules.push(link);
                }
            }
        }
        Ok(())
    }

    fn file(&mut self, path: &Path, id: &ObjectId, mode: u32) -> anyhow::Result<()> {
        let content = self.pack.object_of(id, Kind::Blob)?;
        let mut file = self.into.create_file(path, mode)?;
        file.write_all(&content)?;
        self.into.set_mode(path, mode)?;
        let kind = if mode == 0o755 { EntryKind::BlobExecutable } else { EntryKind::Blob };
        self.note(path, kind, (id, content.len()));
        Ok(())
    }

    fn note(&mut self, path: &Path, kind: EntryKind, (id, size): (&ObjectId, usize)) {
        let path = path.as_os_str().as_encoded_bytes().to_vec();
        self.written.index.push(index::Entry { path, mode: kind as u32, id: *id, size: size as u32 });
    }
}

fn parse(bytes: &[u8]) -> Result<TreeRef<'_>, GitError> {
    TreeRef::from_bytes(bytes, HashKind::Sha1).map_err(|error| GitError::Pack(error.to_string()))
}

/// A name that stays where it is put, and is not git's own.
fn checked(name: &[u8]) -> Result<&Path, GitError> {
    let forbidden = || GitError::ForbiddenName(String::from_utf8_lossy(name).into_owned());
    let is_own = name.eq_ignore_ascii_case(b".git");
    if is_own || matches!(name, b"" | b"." | b"..") || name.contains(&b'/') || name.contains(&0) {
        return Err(forbidden());
    }
    Ok(Path::new(OsStr::from_bytes(name)))
}

/// The path below the repository's top, without `.` and `..`, which stops there.
fn clean(path: &Path) -> PathBuf {
    let mut cleaned = PathBuf::new();
    for component in path.components() {
        match component {
            std::path::Component::Normal(name) => cleaned.push(name),
            std::path::Component::ParentDir => drop(cleaned.pop()),
            _ => {}
        }
    }
    cleaned
}

/// The date of the commit: the last but one word of its `committer`.
pub(super) fn committed(commit: &[u8]) -> Result<i64, GitError> {
    let date = header(commit, "committer").and_then(|committer| committer.rsplit(' ').nth(1)?.parse().ok());
    date.ok_or_else(|| GitError::Pack("the commit has no date".to_owned()))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{checked, clean, committed};

    #[test]
    fn names_stay_where_they_are_put() {
        for wrong in ["", ".", "..", ".git", ".GIT", "a/b", "a\0b"] {
            assert!(checked(wrong.as_bytes()).is_err(), "{wrong:?}");
        }
        for right in [".gitignore", "a b", "...", "git"] {
            assert_eq!(checked(right.as_bytes()).unwrap(), Path::new(right));
        }
        assert_eq!(clean(Path::new("/a/./b/../../../c/")), Path::new("c"));
    }

    #[test]
    fn dates_of_commits() {
        let commit = b"tree 00\nauthor A <a@b> 1 +0000\ncommitter C D <c@d> 1700000000 +0130\n\ncommitter x 5 y\n";
        assert_eq!(committed(commit).unwrap(), 1_700_000_000);
        assert!(committed(b"tree 00\n").is_err());
    }
}
