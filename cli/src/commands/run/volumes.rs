//! Named and anonymous volumes: directories in the store that outlive containers. What an image has at a volume's
//! place is copied into a volume that is new.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context;
use dhow_layer_store::Root;
use serde::{Deserialize, Serialize};

use crate::problem::Problem;
use crate::random;
use crate::tree_copy;

/// All volumes of a store.
pub(crate) struct Volumes {
    directory: PathBuf,
}

/// A volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Volume {
    /// Its name.
    pub(crate) name: String,
    /// What is kept about it.
    pub(crate) record: Record,
    directory: PathBuf,
}

/// The file beside a volume's data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// When it was made, RFC 3339.
    pub(crate) created: String,
    /// Whether nobody chose its name.
    pub(crate) anonymous: bool,
}

impl Volumes {
    /// The volumes of the store at `root`.
    pub(crate) fn of_store(root: &Path) -> Self {
        Self { directory: root.join("volumes") }
    }

    /// The volume `name`, made if it is missing; without a name a new one.
    ///
    /// # Errors
    /// The file system refuses.
    pub(crate) fn ensure(&self, name: Option<&str>) -> anyhow::Result<Volume> {
        let (name, anonymous) = match name {
            Some(name) => (name.to_owned(), false),
            None => (random::hex(32)?, true),
        };
        if let Some(found) = self.find(&name)? {
            return Ok(found);
        }
        let directory = self.directory.join(&name);
        let failed = || format!("cannot make the volume `{name}`");
        fs::create_dir_all(directory.join("_data")).with_context(failed)?;
        let record = Record { created: jiff::Timestamp::now().to_string(), anonymous };
        fs::write(directory.join("volume.json"), serde_json::to_vec(&record)?).with_context(failed)?;
        Ok(Volume { name, record, directory })
    }

    /// The volume `name`, if there is one.
    ///
    /// # Errors
    /// It is damaged.
    pub(crate) fn find(&self, name: &str) -> anyhow::Result<Option<Volume>> {
        let directory = self.directory.join(name);
        let path = directory.join("volume.json");
        match fs::read(&path) {
            Ok(bytes) => {
                let record =
                    serde_json::from_slice(&bytes).with_context(|| format!("`{}` is damaged", path.display()))?;
                Ok(Some(Volume { name: name.to_owned(), record, directory }))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot read `{}`", path.display())),
        }
    }

    /// All volumes, by name.
    ///
    /// # Errors
    /// The directory cannot be read, or a volume is damaged.
    pub(crate) fn list(&self) -> anyhow::Result<Vec<Volume>> {
        let failed = || format!("cannot read `{}`", self.directory.display());
        let entries = match fs::read_dir(&self.directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error).with_context(failed),
        };
        let mut volumes = Vec::new();
        for entry in entries {
            if let Some(name) = entry.with_context(failed)?.file_name().to_str() {
                volumes.extend(self.find(name)?);
            }
        }
        volumes.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(volumes)
    }

    /// Removes a volume with all that is in it.
    ///
    /// # Errors
    /// There is none, or the file system refuses.
    pub(crate) fn remove(&self, name: &str) -> anyhow::Result<()> {
        let volume = self.find(name)?.ok_or_else(|| {
            Problem::new(format!("no such volume: `{name}`")).hint("`dhow volume ls` lists what there is")
        })?;
        fs::remove_dir_all(&volume.directory).with_context(|| format!("cannot remove the volume `{name}`"))
    }
}

impl Volume {
    /// The directory that containers see.
    pub(crate) fn data(&self) -> PathBuf {
        self.directory.join("_data")
    }

    /// Copies what `image` has at `target` into the volume if there is nothing in it yet.
    ///
    /// # Errors
    /// The file system refuses.
    pub(crate) fn fill(&self, image: &Root, target: &Path) -> anyhow::Result<()> {
        let data = self.data();
        let failed = || format!("cannot copy `{}` of the image into the volume `{}`", target.display(), self.name);
        let is_empty = fs::read_dir(&data).with_context(failed)?.next().is_none();
        match is_empty {
            true => tree_copy::copy(image, target, &data).with_context(failed),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Volumes;

    #[test]
    fn volumes_come_and_go() {
        let dir = tempfile::tempdir().unwrap();
        let volumes = Volumes::of_store(dir.path());
        assert!(volumes.list().unwrap().is_empty());
        let named = volumes.ensure(Some("data")).unwrap();
        assert_eq!(volumes.ensure(Some("data")).unwrap(), named);
        std::fs::write(named.data().join("file"), b"x").unwrap();
        let anonymous = volumes.ensure(None).unwrap();
        assert_eq!((anonymous.name.len(), anonymous.record.anonymous), (64, true));
        assert_eq!(volumes.list().unwrap().len(), 2);
        volumes.remove("data").unwrap();
        assert!(!named.data().exists());
        assert!(volumes.remove("data").is_err());
    }
}
