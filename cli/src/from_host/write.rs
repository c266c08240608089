//! Writes a tree of the host's files into a snapshot, as root's, with times that do not depend on when.

use std::fs::File;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use dhow_layer_store::{Root, Timestamp, copy_data};

use super::{Entry, FromHostError, Tree};

/// Time of the directories, links and files that are made here.
const EPOCH: Timestamp = Timestamp { seconds: 0, nanoseconds: 0 };

/// Writes all of `tree` below `root`; returns the newest time of a copied file, in seconds.
pub(crate) fn write(tree: &Tree, root: &Root) -> anyhow::Result<i64> {
    let mut newest = 0;
    for (path, entry) in tree.entries() {
        newest = newest.max(write_entry(root, path, entry)?);
    }
    // A directory's own time changes while its children are made.
    for (path, _) in tree.entries().filter(|(_, entry)| matches!(entry, Entry::Directory(_))) {
        root.set_mtime(path, EPOCH)?;
    }
    Ok(newest)
}

fn write_entry(root: &Root, path: &Path, entry: &Entry) -> anyhow::Result<i64> {
    let time = match entry {
        Entry::Directory(mode) => {
            root.create_dir(path, *mode)?;
            root.set_mode(path, *mode)?;
            return Ok(0);
        }
        Entry::Symlink(target) => {
            root.symlink(target, path)?;
            EPOCH
        }
        Entry::Text(text, mode) => {
            let mut file = root.create_file(path, *mode)?;
            std::io::Write::write_all(&mut file, text.as_bytes())?;
            root.set_mode(path, *mode)?;
            EPOCH
        }
        Entry::File(source) => copy(root, path, source)?,
    };
    root.set_mtime(path, time)?;
    Ok(time.seconds)
}

fn copy(root: &Root, path: &Path, source: &Path) -> anyhow::Result<Timestamp> {
    let unreadable = |error| FromHostError::Unreadable { path: source.to_owned(), source: error };
    let mut from = File::open(source).map_err(unreadable)?;
    let metadata = from.metadata().map_err(unreadable)?;
    let mode = metadata.permissions().mode() & 0o7777;
    copy_data(&mut from, &mut root.create_file(path, 0o600)?)?;
    root.set_mode(path, mode)?;
    Ok(Timestamp { seconds: metadata.mtime(), nanoseconds: 0 })
}
