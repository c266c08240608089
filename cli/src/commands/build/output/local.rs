//! `type=local`: the image's files in a directory of the caller's, whose own they become.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use dhow_layer_store::{FileKind, Metadata, Root, copy_data};

use super::deliver::Means;
use super::spec::Others;

/// Copies the files. What is in the way of one of them is replaced; directories are merged.
pub(super) fn make(means: &Means<'_>, (dest, others): (&Path, Others)) -> anyhow::Result<()> {
    fs::create_dir_all(dest).with_context(|| format!("cannot create `{}`", dest.display()))?;
    let stack = means.store.image(means.delivery.image)?.stack();
    let view = means.store.view(&stack)?;
    let to = Root::open(dest)?;
    let mut export = LocalExport { from: view.root(), to: &to, others, directories: vec![PathBuf::from("/")] };
    let mut done = 0;
    while let Some(directory) = export.directories.get(done).cloned() {
        means.delivery.interrupt.check()?;
        done += 1;
        export.directory(&directory)?;
    }
    // Times come last, as filling directories changed them.
    for directory in export.directories.iter().skip(1).rev() {
        if let Some(metadata) = export.from.stat(directory)? {
            to.set_mode(directory, metadata.mode)?;
            to.set_mtime(directory, metadata.mtime)?;
        }
    }
    Ok(())
}

struct LocalExport<'a> {
    from: &'a Root,
    to: &'a Root,
    others: Others,
    /// Those that were found so far.
    directories: Vec<PathBuf>,
}

impl LocalExport<'_> {
    fn directory(&mut self, directory: &Path) -> anyhow::Result<()> {
        let names = self.from.read_dir(directory)?;
        if self.others == Others::Delete {
            for name in self.to.read_dir(directory)?.into_iter().filter(|name| !names.contains(name)) {
                self.to.remove_all(&directory.join(name))?;
            }
        }
        names.into_iter().try_for_each(|name| self.entry(directory, name))
    }

    fn entry(&mut self, directory: &Path, name: OsString) -> anyhow::Result<()> {
        let path = directory.join(name);
        let metadata = self.from.stat(&path)?.with_context(|| format!("`{}` went away", path.display()))?;
        let there = self.to.stat(&path)?.map(|there| there.kind);
        if metadata.kind == FileKind::Directory {
            if there != Some(FileKind::Directory) {
                self.clear(&path, there)?;
                self.to.create_dir(&path, 0o700)?;
            }
            self.directories.push(path);
            return Ok(());
        }
        self.clear(&path, there)?;
        self.file(&path, &metadata)
    }

    fn clear(&self, path: &Path, there: Option<FileKind>) -> anyhow::Result<()> {
        Ok(there.map_or(Ok(()), |_| self.to.remove_all(path))?)
    }

    fn file(&self, path: &Path, metadata: &Metadata) -> anyhow::Result<()> {
        match metadata.kind {
            FileKind::Symlink => self.to.symlink(&self.from.read_link(path)?, path)?,
            FileKind::Regular => {
                let (mut source, mut copy) = (self.from.open_file(path)?, self.to.create_file(path, 0o600)?);
                copy_data(&mut source, &mut copy).with_context(|| format!("cannot copy `{}`", path.display()))?;
            }
            FileKind::Directory | FileKind::Socket => return Ok(()),
            // Where users may make no devices, a directory of files does without.
            FileKind::CharDevice(_) | FileKind::BlockDevice(_) | FileKind::Fifo => {
                if self.to.mknod(path, metadata.kind, 0o600).is_err() {
                    return Ok(());
                }
            }
        }
        if metadata.kind != FileKind::Symlink {
            self.to.set_mode(path, metadata.mode)?;
        }
        Ok(self.to.set_mtime(path, metadata.mtime)?)
    }
}
