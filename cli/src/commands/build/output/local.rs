//! `type=local`: the image's files in a directory of the caller's, whose own they become; of several platforms each in a
//! directory below it.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use dhow_layer_store::{FileKind, Metadata, Root, SnapshotView, Timestamp, copy_data};

use super::deliver::Means;
use super::kind::Others;
use super::spec::Output;
use crate::problem::Problem;

/// The directories of platforms can be entered by everyone.
const DIRECTORY_MODE: u32 = 0o755;

impl Means<'_> {
    /// The files of each image, and the directory that they go to; none for an empty name.
    ///
    /// # Errors
    /// An image cannot be read.
    pub(super) fn views(&self, output: &Output) -> anyhow::Result<Vec<(String, SnapshotView)>> {
        let images = self.delivery.images;
        let view = |image| {
            let image = self.store.image(image)?;
            let directory = output.directory_for(&image.config.platform(), images.len());
            Ok((directory, self.store.view(&image.stack())?))
        };
        images.iter().map(view).collect()
    }
}

/// Copies the files. What is in the way of one of them is replaced; directories are merged.
pub(super) fn make(means: &Means<'_>, output: &Output, (dest, others): (&Path, Others)) -> anyhow::Result<()> {
    fs::create_dir_all(dest).with_context(|| format!("cannot create `{}`", dest.display()))?;
    let views = means.views(output)?;
    check_overlap(means, &views)?;
    let to = Root::open(dest)?;
    let directories: Vec<&str> = views.iter().map(|(directory, _)| directory.as_str()).collect();
    let has_directories = directories.iter().any(|directory| !directory.is_empty());
    if has_directories && others == Others::Delete {
        for name in to.read_dir(Path::new("/"))?.into_iter().filter(|name| !directories.iter().any(|own| name == own)) {
            to.remove_all(Path::new(&name))?;
        }
    }
    for (place, (directory, view)) in views.iter().enumerate() {
        // Where several share a directory, the first clears it.
        let others = if has_directories || place == 0 { others } else { Others::Keep };
        match directory.as_str() {
            "" => copy(means, (view.root(), &to), others)?,
            _ => {
                to.create_dir_all(Path::new(directory), DIRECTORY_MODE)?;
                copy(means, (view.root(), &Root::open(&dest.join(directory))?), others)?;
            }
        }
    }
    Ok(())
}

fn copy(means: &Means<'_>, (from, to): (&Root, &Root), others: Others) -> anyhow::Result<()> {
    let epoch = means.delivery.epoch;
    let mut export = LocalExport { from, to, others, epoch, directories: vec![PathBuf::from("/")] };
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
            to.set_mtime(directory, export.date(&metadata))?;
        }
    }
    Ok(())
}

/// Checks that no two platforms have a file of the same name where they share a directory.
fn check_overlap(means: &Means<'_>, views: &[(String, SnapshotView)]) -> anyhow::Result<()> {
    for (place, (directory, view)) in views.iter().enumerate() {
        let before: Vec<&Root> =
            views[..place].iter().filter(|(other, _)| other == directory).map(|(_, view)| view.root()).collect();
        if before.is_empty() {
            continue;
        }
        let mut directories = vec![PathBuf::from("/")];
        while let Some(directory) = directories.pop() {
            means.delivery.interrupt.check()?;
            for name in view.root().read_dir(&directory)? {
                let path = directory.join(name);
                let is_directory = view.root().stat(&path)?.is_some_and(|own| own.kind == FileKind::Directory);
                for other in &before {
                    let there = other.stat(&path)?;
                    if there.is_some_and(|there| !(is_directory && there.kind == FileKind::Directory)) {
                        return Err(overlap(&path).into());
                    }
                }
                if is_directory {
                    directories.push(path);
                }
            }
        }
    }
    Ok(())
}

fn overlap(path: &Path) -> Problem {
    Problem::new(format!("several platforms have a file `{}`", path.display()))
        .hint("leave out `platform-split=false`: each platform gets a directory then")
}

struct LocalExport<'a> {
    from: &'a Root,
    to: &'a Root,
    others: Others,
    /// The date of all files, in seconds since 1970.
    epoch: Option<i64>,
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
        Ok(self.to.set_mtime(path, self.date(metadata))?)
    }

    fn date(&self, metadata: &Metadata) -> Timestamp {
        self.epoch.map_or(metadata.mtime, |seconds| Timestamp { seconds, nanoseconds: 0 })
    }
}
