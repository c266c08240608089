//! The files, links and directories of the host that go into an image, under the paths that they have here.
//!
//! Links on the way to a file are kept as links, so that `/bin -> usr/bin` is the same in the image.

use std::collections::{BTreeMap, VecDeque};
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};

use super::FromHostError;

/// One path of the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Entry {
    /// A directory with its permission bits.
    Directory(u32),
    /// A symbolic link with its target.
    Symlink(PathBuf),
    /// A copy of this file of the host.
    File(PathBuf),
    /// A file made here: content and permission bits.
    Text(&'static str, u32),
}

/// Absolute paths to entries; parents sort before children.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    entries: BTreeMap<PathBuf, Entry>,
}

/// As many links as the kernel follows in one path.
const MAX_LINKS: usize = 40;

impl Tree {
    /// A tree with the directories and files that programs expect of any system.
    pub(crate) fn minimal() -> Self {
        let mut tree = Self::default();
        for (dir, mode) in [("/etc", 0o755), ("/root", 0o700), ("/tmp", 0o1777), ("/var", 0o755), ("/var/tmp", 0o1777)]
        {
            tree.entries.insert(PathBuf::from(dir), Entry::Directory(mode));
        }
        let passwd = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n";
        let group = "root:x:0:\nnogroup:x:65534:\n";
        let nsswitch = "passwd: files\ngroup: files\nhosts: files dns\n";
        for (file, text) in [("/etc/passwd", passwd), ("/etc/group", group), ("/etc/nsswitch.conf", nsswitch)] {
            tree.entries.insert(PathBuf::from(file), Entry::Text(text, 0o644));
        }
        tree
    }

    /// Adds the absolute host path with the links and directories on its way; returns the path behind all links.
    pub(crate) fn add(&mut self, path: &Path) -> Result<PathBuf, FromHostError> {
        let unreadable = |path: &Path| {
            let path = path.to_owned();
            move |source| FromHostError::Unreadable { path, source }
        };
        let mut rest: VecDeque<OsString> = names(path);
        let mut at = PathBuf::from("/");
        let mut links = 0;
        while let Some(name) = rest.pop_front() {
            if name == ".." {
                at.pop();
                continue;
            }
            let here = at.join(&name);
            let kind = fs::symlink_metadata(&here).map_err(unreadable(&here))?;
            if kind.is_symlink() {
                links += 1;
                if links > MAX_LINKS {
                    return Err(FromHostError::TooManyLinks { path: path.to_owned() });
                }
                let target = fs::read_link(&here).map_err(unreadable(&here))?;
                if target.is_absolute() {
                    at = PathBuf::from("/");
                }
                names(&target).into_iter().rev().for_each(|name| rest.push_front(name));
                self.entries.insert(here, Entry::Symlink(target));
                continue;
            }
            self.add_plain(&here, &kind)?;
            at = here;
        }
        Ok(at)
    }

    fn add_plain(&mut self, path: &Path, kind: &fs::Metadata) -> Result<(), FromHostError> {
        let entry = if kind.is_dir() {
            Entry::Directory(kind.permissions().mode() & 0o7777)
        } else if kind.is_file() {
            Entry::File(path.to_owned())
        } else {
            return Err(FromHostError::NotAFile { path: path.to_owned() });
        };
        self.entries.entry(path.to_owned()).or_insert(entry);
        Ok(())
    }

    /// Adds everything below the directory `dir`, which has been added itself.
    pub(crate) fn add_below(&mut self, dir: &Path) -> Result<(), FromHostError> {
        let unreadable = |source| FromHostError::Unreadable { path: dir.to_owned(), source };
        for entry in fs::read_dir(dir).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            let kind = fs::symlink_metadata(&path).map_err(unreadable)?;
            if kind.is_symlink() {
                let target = fs::read_link(&path).map_err(unreadable)?;
                self.entries.insert(path, Entry::Symlink(target));
            } else {
                self.add_plain(&path, &kind)?;
                if kind.is_dir() {
                    self.add_below(&path)?;
                }
            }
        }
        Ok(())
    }

    /// Adds the host's links from `/bin` and its like to folders that are in the tree: `#!/bin/sh` and a RUN
    /// expect the short name, also where PATH found the program under `/usr`.
    pub(crate) fn add_short_names(&mut self) {
        for name in ["/bin", "/sbin", "/lib", "/lib64"].map(PathBuf::from) {
            let Ok(target) = fs::read_link(&name) else { continue };
            if self.entries.contains_key(&Path::new("/").join(&target)) {
                self.entries.entry(name).or_insert(Entry::Symlink(target));
            }
        }
    }

    /// All entries; parents come before children.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&Path, &Entry)> {
        self.entries.iter().map(|(path, entry)| (path.as_path(), entry))
    }
}

fn names(path: &Path) -> VecDeque<OsString> {
    let named = |component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some(OsString::from("..")),
        _ => None,
    };
    path.components().filter_map(named).collect()
}
