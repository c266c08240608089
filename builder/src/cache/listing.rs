//! The files behind the digest of a selection, so that a miss can name those that changed: `listings/<hex>` in the
//! store, the line `dhow-listing 1`, then for each file a line `<digest> <type> <mode> <uid>:<gid> <path>`.
//!
//! Written when a step is executed, and read only to explain a miss. The last ones are kept; one that is gone or
//! damaged makes the explanation shorter.

use std::collections::{BTreeMap, HashSet};
use std::fs::{self, File};
use std::path::PathBuf;
use std::time::SystemTime;

use dhow_layer_store::Store;

use crate::cache::{Change, MissReason};
use crate::error::{BuildError, Result};

const HEADER: &str = "dhow-listing 1";
/// How many listings are kept.
const KEPT: usize = 256;

/// Paths to what is known of the files: digest with type, and mode with owner.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Listing(BTreeMap<String, (String, String)>);

impl Listing {
    /// Adds a file.
    pub(crate) fn add(&mut self, path: String, content: String, attributes: String) {
        // A line feed in a name would end the line.
        self.0.insert(path.replace('\n', "\\n"), (content, attributes));
    }

    /// Writes the listing of the selection `digest`, and drops the oldest ones.
    pub(crate) fn save(&self, store: &Store, digest: &str) -> Result<()> {
        let path = file_of(store, digest);
        // One that is there already is used again: its time says so.
        if File::open(&path).and_then(|file| file.set_modified(SystemTime::now())).is_ok() {
            return Ok(());
        }
        let mut text = format!("{HEADER}\n");
        for (name, (content, attributes)) in &self.0 {
            text.push_str(&format!("{content} {attributes} {name}\n"));
        }
        let staging = store.staging()?;
        let staged = staging.path().join("listing");
        let directory = store.root().join("listings");
        let write = || {
            fs::create_dir_all(&directory)?;
            fs::write(&staged, &text)?;
            fs::rename(&staged, &path)
        };
        write().map_err(BuildError::io("write", &path))?;
        drop_oldest(&directory);
        Ok(())
    }

    /// The listing of the selection `digest`, if it is there.
    pub(crate) fn load(store: &Store, digest: &str) -> Option<Self> {
        let text = fs::read_to_string(file_of(store, digest)).ok()?;
        let mut listing = Self::default();
        for line in text.strip_prefix(HEADER)?.trim_start().lines() {
            let mut fields = line.splitn(5, ' ');
            let (digest, kind) = (fields.next()?, fields.next()?);
            let (mode, owner, path) = (fields.next()?, fields.next()?, fields.next()?);
            listing.0.insert(path.to_owned(), (format!("{digest} {kind}"), format!("{mode} {owner}")));
        }
        Some(listing)
    }

    /// The paths of files that are new or another in `after`; `None` if a file went away or is of another type.
    pub(crate) fn only_changed_to<'a>(&self, after: &'a Self) -> Option<HashSet<&'a str>> {
        let kind = |content: &str| content.split_once(' ').map(|(_, kind)| kind.to_owned());
        let stays = |(path, before): (&String, &(String, String))| {
            after.0.get(path).is_some_and(|after| kind(&before.0) == kind(&after.0))
        };
        if !self.0.iter().all(stays) {
            return None;
        }
        let changed = after.0.iter().filter(|(path, after)| self.0.get(*path) != Some(after));
        Some(changed.map(|(path, _)| path.as_str()).collect())
    }

    /// What became of the files.
    pub(crate) fn changes_to<'a>(&'a self, after: &'a Self) -> impl Iterator<Item = MissReason> + 'a {
        let paths: std::collections::BTreeSet<&String> = self.0.keys().chain(after.0.keys()).collect();
        paths.into_iter().filter_map(|path| {
            let change = match (self.0.get(path), after.0.get(path)) {
                (before, after) if before == after => return None,
                (None, _) => Change::Added,
                (_, None) => Change::Removed,
                (Some(before), Some(after)) if before.0 != after.0 => Change::Changed,
                (Some(before), Some(after)) if mode(&before.1) != mode(&after.1) => Change::Mode,
                _ => Change::Owner,
            };
            Some(MissReason::File { path: path.clone(), change })
        })
    }
}

/// Of `<mode> <uid>:<gid>`.
fn mode(attributes: &str) -> Option<&str> {
    attributes.split(' ').next()
}

fn file_of(store: &Store, digest: &str) -> PathBuf {
    // Only hexadecimal digits ever get here; anything else stays inside the directory.
    store.root().join("listings").join(digest.replace(['/', '.'], "_"))
}

fn drop_oldest(directory: &std::path::Path) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    let age = |entry: &fs::DirEntry| {
        entry.metadata().and_then(|metadata| metadata.modified()).unwrap_or(SystemTime::UNIX_EPOCH)
    };
    let mut all: Vec<_> = entries.flatten().collect();
    if all.len() > KEPT {
        all.sort_by_key(age);
        for entry in &all[..all.len() - KEPT] {
            let _ = fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use dhow_layer_store::{Store, StoreOptions};

    use super::{Listing, MissReason};

    fn listing(files: &[(&str, &str, &str)]) -> Listing {
        let mut listing = Listing::default();
        for (path, content, attributes) in files {
            listing.add((*path).to_owned(), (*content).to_owned(), (*attributes).to_owned());
        }
        listing
    }

    #[test]
    fn listings_survive_and_tell_changes() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), StoreOptions::default()).unwrap();
        let before = listing(&[
            ("a b", "1 f", "644 0:0"),
            ("gone", "2 f", "644 0:0"),
            ("same", "3 f", "644 0:0"),
            ("x", "4 f", "644 0:0"),
            ("y", "5 f", "644 0:0"),
        ]);
        let after = listing(&[
            ("a b", "9 f", "644 0:0"),
            ("new", "2 f", "644 0:0"),
            ("same", "3 f", "644 0:0"),
            ("x", "4 f", "755 0:0"),
            ("y", "5 f", "644 7:0"),
        ]);
        before.save(&store, "ab").unwrap();
        assert_eq!(Listing::load(&store, "ab").as_ref(), Some(&before));
        assert_eq!(Listing::load(&store, "cd"), None);
        let changes: Vec<String> = before.changes_to(&after).map(|reason: MissReason| reason.to_string()).collect();
        assert_eq!(
            changes,
            ["`a b` changed", "`gone` was removed", "`new` was added", "`x` has another mode", "`y` has another owner"]
        );
    }
}
