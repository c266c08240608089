//! The dates of a checkout's files: those of its commit, where that is asked for (`mtime=commit`).

use std::path::Path;

use dhow_layer_store::{FileKind, Root, Timestamp};

/// Gives `path` and all below it the date `seconds`; a directory after what is in it.
pub(super) fn set_all(root: &Root, path: &Path, seconds: i64) -> anyhow::Result<()> {
    let metadata = root.stat(path)?;
    if metadata.is_some_and(|metadata| metadata.kind == FileKind::Directory) {
        for name in root.read_dir(path)? {
            set_all(root, &path.join(name), seconds)?;
        }
    }
    Ok(root.set_mtime(path, Timestamp { seconds, nanoseconds: 0 })?)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::MetadataExt;
    use std::path::Path;

    use dhow_layer_store::Root;

    use super::set_all;

    #[test]
    fn all_of_a_tree_has_the_date() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("a/b")).unwrap();
        fs::write(folder.path().join("a/b/file"), "x").unwrap();
        std::os::unix::fs::symlink("nowhere", folder.path().join("a/link")).unwrap();
        set_all(&Root::open(folder.path()).unwrap(), Path::new("."), 1_234_567).unwrap();
        for path in ["", "a", "a/b", "a/b/file", "a/link"] {
            assert_eq!(fs::symlink_metadata(folder.path().join(path)).unwrap().mtime(), 1_234_567, "{path}");
        }
    }
}
