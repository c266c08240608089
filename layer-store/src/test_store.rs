//! A store in a temporary directory, for this crate's tests.

use std::fs;
use std::ops::Deref;
use std::path::Path;

use crate::layer_id::LayerId;
use crate::oci::{ImageConfig, ImageId, MediaType, Raw};
use crate::options::StoreOptions;
use crate::root::Ownership;
use crate::store::Store;

/// An ordinary user cannot give files to root; then owners are recorded.
fn options() -> StoreOptions {
    let ownership = if rustix::process::geteuid().is_root() { Ownership::OnDisk } else { Ownership::Recorded };
    StoreOptions { ownership, ..StoreOptions::default() }
}

/// A store that goes with its directory.
#[derive(Debug)]
pub(crate) struct TestStore {
    store: Store,
    directory: tempfile::TempDir,
}

impl TestStore {
    /// A new, empty store.
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().expect("temporary directory");
        let store = Store::open(directory.path(), options()).expect("new store");
        Self { store, directory }
    }

    /// Adds an image without layers whose config differs by `author`.
    pub(crate) fn add_empty_image(&self, author: &str) -> ImageId {
        let config = ImageConfig { author: Some(author.to_owned()), ..ImageConfig::default() };
        let config = Raw::create(config).expect("config");
        self.add_image(&config, MediaType::OciConfig, &[], None).expect("image")
    }

    /// Adds an image on layers that are in the store.
    pub(crate) fn add_image_on(&self, layers: &[LayerId]) -> ImageId {
        let mut config = ImageConfig::default();
        let diff_id = |id| self.layer(id).expect("layer").known_diff_id().expect("entry").expect("diff id");
        config.rootfs.diff_ids = layers.iter().map(diff_id).collect();
        let config = Raw::create(config).expect("config");
        self.add_image(&config, MediaType::OciConfig, layers, None).expect("image")
    }

    /// Another opening of the same store, as another process has it.
    pub(crate) fn reopened(&self) -> Store {
        Store::open(self.directory.path(), options()).expect("same store")
    }

    /// The same store after its process has ended.
    pub(crate) fn restarted(self) -> Self {
        let Self { store, directory } = self;
        drop(store);
        let store = Store::open(directory.path(), options()).expect("same store");
        Self { store, directory }
    }

    /// Whether nothing is left of what this store began.
    pub(crate) fn staging_is_empty(&self) -> bool {
        fs::read_dir(self.store.staging_area().expect("area")).expect("staging").next().is_none()
    }

    /// Every file of the store with its content, but for the staging area: to see whether anything changed.
    pub(crate) fn contents(&self) -> Vec<(String, Vec<u8>)> {
        let mut found = Vec::new();
        collect(self.directory.path(), &mut found);
        found.retain(|(path, _)| !path.contains("/tmp/"));
        found.sort();
        found
    }
}

fn collect(directory: &Path, found: &mut Vec<(String, Vec<u8>)>) {
    for entry in fs::read_dir(directory).expect("readable").map(|entry| entry.expect("entry")) {
        let path = entry.path();
        if entry.file_type().expect("type").is_dir() {
            collect(&path, found);
        } else {
            let content = fs::read(&path).unwrap_or_default();
            found.push((path.display().to_string(), content));
        }
    }
}

impl Deref for TestStore {
    type Target = Store;

    fn deref(&self) -> &Store {
        &self.store
    }
}
