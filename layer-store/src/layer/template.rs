//! Files that many new layers begin with: one in `new-layer/`, and hard links to it.
//!
//! A hard link takes no inode. On some file systems making one takes as long as a whole mount, and a build makes dozens
//! of layers. Nobody writes to such a file: a change puts another in its place.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use crate::{Result, Store, durable};

/// The directory in the store.
const DIRECTORY: &str = "new-layer";

impl Store {
    /// Makes the file `target` with the content `bytes`, as a link to the store's file `name` where links can be had.
    /// The content of a name is always the same.
    pub(crate) fn link_template(&self, name: &str, bytes: &[u8], target: &Path) -> Result<()> {
        let template = self.path(DIRECTORY).join(name);
        let failed = match fs::hard_link(&template, target) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                crate::store::create_dir_all(&self.path(DIRECTORY))?;
                self.write_file(&template, bytes)?;
                fs::hard_link(&template, target)
            }
            other => other,
        };
        match failed {
            Ok(()) => Ok(()),
            // Too many links, a file system without them, or another file in the place.
            Err(_) => durable::write_unsynced(self.staging_area()?, target, bytes),
        }
    }
}
