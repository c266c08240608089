//! Copies a directory of an image, with owners, modes, times and attributes, into an empty directory.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::Context;
use dhow_layer_store::{FileKind, Metadata, Root, copy_data};

/// Copies what is in the directory `source` of `image` into the directory `target` of the host, and gives that the
/// same owner and mode. Does nothing if the image has no such directory.
///
/// # Errors
/// The file system refuses.
pub(crate) fn copy(image: &Root, source: &Path, target: &Path) -> anyhow::Result<()> {
    let Some(top) = image.metadata(source)?.filter(|metadata| metadata.kind == FileKind::Directory) else {
        return Ok(());
    };
    let from = image.open_root(source)?;
    let to = Root::open(target)?.with_ownership(image.ownership())?;
    let trees = Trees { from: &from, to: &to };
    let mut directories = vec![PathBuf::from("/")];
    let mut done = 0;
    while let Some(directory) = directories.get(done).cloned() {
        done += 1;
        for name in from.read_dir(&directory)? {
            trees.copy_entry(&directory, name, &mut directories)?;
        }
    }
    // Times of directories come last, as filling them changed them.
    for directory in directories.iter().skip(1).rev() {
        if let Some(metadata) = from.stat(directory)? {
            to.set_mtime(directory, metadata.mtime)?;
        }
    }
    trees.restore(Path::new("/"), &top)
}

/// Where from and where to.
struct Trees<'a> {
    from: &'a Root,
    to: &'a Root,
}

impl Trees<'_> {
    fn copy_entry(&self, directory: &Path, name: OsString, directories: &mut Vec<PathBuf>) -> anyhow::Result<()> {
        let path = directory.join(name);
        let metadata = self.from.stat(&path)?.with_context(|| format!("`{}` went away", path.display()))?;
        match metadata.kind {
            FileKind::Directory => {
                self.to.create_dir(&path, 0o700)?;
                directories.push(path.clone());
            }
            FileKind::Symlink => self.to.symlink(&self.from.read_link(&path)?, &path)?,
            FileKind::Regular => {
                let (mut source, mut copy) = (self.from.open_file(&path)?, self.to.create_file(&path, 0o600)?);
                copy_data(&mut source, &mut copy).with_context(|| format!("cannot copy `{}`", path.display()))?;
            }
            // A socket without its program is of no use.
            FileKind::Socket => return Ok(()),
            FileKind::CharDevice(_) | FileKind::BlockDevice(_) | FileKind::Fifo => {
                self.to.mknod(&path, metadata.kind, 0o600)?;
            }
        }
        self.restore(&path, &metadata)
    }

    fn restore(&self, path: &Path, metadata: &Metadata) -> anyhow::Result<()> {
        self.to.set_owner(path, metadata.uid, metadata.gid)?;
        if metadata.kind != FileKind::Symlink {
            self.to.set_mode(path, metadata.mode)?;
        }
        for (attribute, value) in self.from.xattrs(path)? {
            self.to.set_xattr(path, &attribute, &value)?;
        }
        Ok(self.to.set_mtime(path, metadata.mtime)?)
    }
}

#[cfg(test)]
mod tests {
    use super::copy;
    use dhow_layer_store::Root;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::path::Path;

    #[test]
    fn a_tree_is_copied_with_what_belongs_to_it() {
        let image = tempfile::tempdir().unwrap();
        let data = image.path().join("srv/data");
        fs::create_dir_all(data.join("deep")).unwrap();
        fs::write(data.join("deep/file"), b"text").unwrap();
        fs::set_permissions(data.join("deep/file"), fs::Permissions::from_mode(0o4711)).unwrap();
        symlink("/outside", data.join("link")).unwrap();
        fs::set_permissions(&data, fs::Permissions::from_mode(0o1777)).unwrap();
        // The way there is found inside the image, also over absolute links.
        symlink("/srv", image.path().join("alias")).unwrap();

        let volume = tempfile::tempdir().unwrap();
        copy(&Root::open(image.path()).unwrap(), Path::new("/alias/data"), volume.path()).unwrap();
        assert_eq!(fs::read(volume.path().join("deep/file")).unwrap(), b"text");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        assert_eq!((mode(&volume.path().join("deep/file")), mode(volume.path())), (0o4711, 0o1777));
        assert_eq!(fs::read_link(volume.path().join("link")).unwrap(), Path::new("/outside"));
        let time = |root: &Path| fs::metadata(root.join("deep")).unwrap().modified().unwrap();
        assert_eq!(time(volume.path()), time(&data));

        let empty = tempfile::tempdir().unwrap();
        copy(&Root::open(image.path()).unwrap(), Path::new("/missing"), empty.path()).unwrap();
        assert_eq!(fs::read_dir(empty.path()).unwrap().count(), 0);
    }
}
