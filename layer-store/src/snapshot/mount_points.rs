//! Empty files to mount on, as the lowest directory of an overlay: `mount-points/` in the store.
//!
//! A process in a sandbox sees its own `/etc/hosts`, which needs a file to be mounted on. Made in the tree, it would have to
//! be taken away again after each step, with the directory it is in; below all layers it costs nothing and leaves nothing.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::make_dir;
use crate::{Error, Result, Store};

/// Files that are there for a process to have others mounted over them; paths in the tree.
pub const MOUNT_POINTS: [&str; 2] = ["etc/hosts", "etc/resolv.conf"];

/// The directory that holds them, which is made when it is missing.
pub(super) fn directory(store: &Store) -> Result<PathBuf> {
    let directory = store.path("mount-points");
    if !directory.is_dir() {
        make(store, &directory)?;
    }
    Ok(directory)
}

fn make(store: &Store, directory: &Path) -> Result<()> {
    let staging = store.staging()?;
    make_dir(&staging.path().join("tree"))?;
    for name in MOUNT_POINTS {
        let path = staging.path().join("tree").join(name);
        make_dir(path.parent().unwrap_or(&path))?;
        fs::write(&path, "").map_err(Error::io("write", &path))?;
    }
    match fs::rename(staging.path().join("tree"), directory) {
        // Another process was faster.
        Err(error) if matches!(error.kind(), ErrorKind::DirectoryNotEmpty | ErrorKind::AlreadyExists) => Ok(()),
        other => other.map_err(Error::io("create", directory)),
    }
}
