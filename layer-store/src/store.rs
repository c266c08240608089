//! The store: a directory of plain files, shared by any number of processes.
//!
//! This page is the format. It does not say how layers are unpacked (`layer/`) nor how they become trees (`snapshot/`).
//!
//! ```text
//! <root>/version                      "2\n"
//!        lock                         flock: shared by whoever writes a reference, exclusive for a sweep (`sweep_lock.rs`)
//!        leases                       byte-range locks: what each process uses (`leases.rs`)
//!        tmp/<pid>-<random>/          staging area of one open store; whoever has its flock is alive
//!        blobs/sha256/<hex>           configs, manifests and layer tars, as received or as written for a push
//!        partial/<hex>                downloads that can be resumed; flock: who is downloading
//!        layers/<layer id>/layer.json what is known of a layer (`layer_entry.rs`)
//!        layers/<layer id>/fs/        its files, unpacked; absent while nobody needs them
//!        layers/<layer id>/unsynced   marker of files that may not be on the disk (`layer/unsynced.rs`)
//!        diff-ids/<hex>               the id of the layer with this diff id, as text
//!        images/<hex>.json            an image by the digest of its config (`image.rs`)
//!        left/<hex>                   marker of an image whose name went to another one (`left_image.rs`)
//!        refs/<registry>/<repository>/_tags/<tag>.json, _digests/<hex>.json   names of images (`refs.rs`)
//!        cache/<hex>.json             build steps by their keys (`record.rs`)
//!        origins/<hex>                repositories that are known to have this blob (written by the registry client)
//!        contexts/<device>-<inode>    digests of a build context's files (written by the builder; may be removed)
//!        listings/<hex>               files of copied selections, to explain cache misses (as `contexts`)
//!        steps.lock                   byte-range locks: who executes which build step (the builder)
//!        cache-account                about how much the build cache takes (`cache_account.rs`)
//!        mount-points/                empty files that overlays of build steps show below all layers (`snapshot/mount_points.rs`)
//!        new-layer/                   files that new layers begin with, as hard links (`layer/template.rs`)
//!        cache-mounts/<hex>-<n>/      directories of `RUN --mount=type=cache` (`data`, and `lock` for its flock)
//!        containers/<id>/             containers; `layers` in it lists the ids of the layers they stand on
//! ```
//!
//! **Writing.** Everything is written in `tmp/`, synced, and renamed to its place, references last: at any moment each name
//! that exists is whole, and whatever a crash leaves in `tmp/` goes with the next open. Files of layers are not synced
//! but marked, and looked at after the next boot.
//!
//! **Locks.** They end with their process. What an open store looked at is leased until the store is closed, so a command
//! that runs for long without using the store (a container in the foreground) should close it meanwhile. Changes to an
//! existing file are made under a flock of the directory it is in.
//!
//! **Growth.** A layout that an older dhow could misread gets another version. Unknown versions are refused. Version 1 had no
//! leases; such a store is taken over as soon as no older dhow uses it.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::cleaner::Cleaner;
use crate::durable;
use crate::error::{Error, Result};
use crate::layer_id::LayerId;
use crate::leases::Leases;
use crate::options::StoreOptions;
use crate::staging::{Staging, StagingDir};

/// The layout that this program reads and writes.
const VERSION: &str = "2\n";

/// The layout before there were leases. All else in it is the same.
const WITHOUT_LEASES: &str = "1\n";

/// So long is waited for those who use a store of the layout before.
const TAKING_OVER: Duration = Duration::from_secs(3);

/// Directories that every store has.
const DIRECTORIES: [&str; 9] =
    ["tmp", "blobs/sha256", "partial", "layers", "diff-ids", "images", "refs", "cache", "containers"];

/// An open store. Clones share it; it may be used from any thread.
#[derive(Debug, Clone)]
pub struct Store(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    root: PathBuf,
    options: StoreOptions,
    leases: Leases,
    staging: Staging,
    seen: Mutex<Seen>,
}

/// What this open store has leased and then seen: nobody takes it away.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Layers that are there.
    pub(crate) layers: HashSet<LayerId>,
    /// The directories of layers whose files were found to be there, the lowest first.
    pub(crate) parts: HashMap<LayerId, Vec<PathBuf>>,
}

impl Store {
    /// Opens the store in the directory `root`, and makes it if there is none.
    ///
    /// # Errors
    /// `root` holds something else, has an unknown version, is used by an older dhow, or cannot be written.
    pub fn open(root: &Path, options: StoreOptions) -> Result<Self> {
        create_private_dir(root)?;
        let root = root.canonicalize().map_err(Error::io("resolve", root))?;
        check_version(&root)?;
        for name in DIRECTORIES {
            create_dir_all(&root.join(name))?;
        }
        let leases = Leases::open(&root.join("leases"))?;
        let staging = Staging::new(root.join("tmp"))?;
        Ok(Self(Arc::new(Inner { root, options, leases, staging, seen: Mutex::default() })))
    }

    /// The store's directory, absolute.
    pub fn root(&self) -> &Path {
        &self.0.root
    }

    /// What the store was opened with.
    pub fn options(&self) -> StoreOptions {
        self.0.options
    }

    /// Makes an empty directory of this process inside the store's file system; it goes when dropped.
    ///
    /// # Errors
    /// The file system refuses.
    pub fn staging(&self) -> Result<StagingDir> {
        StagingDir::create(self.clone())
    }

    pub(crate) fn staging_area(&self) -> Result<&Path> {
        self.0.staging.path()
    }

    /// What this open store has seen.
    pub(crate) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn leases(&self) -> &Leases {
        &self.0.leases
    }

    /// Ends the leases of all layers and blobs: from here on others may take away what was seen before.
    pub(crate) fn let_go(&self) -> Result<()> {
        *self.seen() = Seen::default();
        self.leases().end_for_content()
    }

    pub(crate) fn cleaner(&self) -> &Cleaner {
        self.0.staging.cleaner()
    }

    /// A path inside the store.
    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.0.root.join(below)
    }

    /// Writes `bytes` as the file `path` of the store, in one step and durably.
    pub(crate) fn write_file(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        durable::write(self.staging_area()?, path, bytes)
    }
}

fn create_private_dir(path: &Path) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(Error::io("create", path))
}

pub(crate) fn create_dir_all(path: &Path) -> Result<()> {
    fs::create_dir_all(path).map_err(Error::io("create", path))
}

/// Refuses what is no store of this version; an empty directory becomes one.
fn check_version(root: &Path) -> Result<()> {
    let path = root.join("version");
    match fs::read_to_string(&path) {
        Ok(found) if found == VERSION => Ok(()),
        Ok(found) if found == WITHOUT_LEASES => take_over(root, &path),
        Ok(found) => Err(Error::UnknownVersion {
            root: root.to_owned(),
            found: found.trim().to_owned(),
            known: VERSION.trim_end(),
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => initialise(root, &path),
        Err(error) => Err(Error::io("read", &path)(error)),
    }
}

/// Makes a store of version 1 one of version 2. A dhow that knows version 1 only has `lock` as long as it uses the store.
fn take_over(root: &Path, version: &Path) -> Result<()> {
    let path = root.join("lock");
    let lock =
        File::options().create(true).truncate(false).write(true).open(&path).map_err(Error::io("open", &path))?;
    let deadline = Instant::now() + TAKING_OVER;
    loop {
        match lock.try_lock() {
            Ok(()) => return durable::write(root, version, VERSION.as_bytes()),
            Err(TryLockError::Error(error)) => return Err(Error::io("lock", &path)(error)),
            // It may be another one that takes the store over.
            Err(TryLockError::WouldBlock) if fs::read_to_string(version).is_ok_and(|now| now == VERSION) => {
                return Ok(());
            }
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(20)),
            Err(TryLockError::WouldBlock) => return Err(Error::InUse(root.to_owned())),
        }
    }
}

fn initialise(root: &Path, version: &Path) -> Result<()> {
    let foreign = |name: &std::ffi::OsStr| !name.to_string_lossy().starts_with(durable::TEMPORARY);
    for entry in fs::read_dir(root).map_err(Error::io("read", root))? {
        let entry = entry.map_err(Error::io("read", root))?;
        // Another process may have made the store since we looked; then the version is there by now.
        if foreign(&entry.file_name()) && !version.exists() {
            return Err(Error::NotAStore(root.to_owned()));
        }
    }
    durable::write(root, version, VERSION.as_bytes())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::Store;
    use crate::error::Error;
    use crate::options::StoreOptions;

    fn open(root: &std::path::Path) -> Result<Store, Error> {
        Store::open(root, StoreOptions::default())
    }

    #[test]
    fn a_new_directory_becomes_a_store_and_opens_again() {
        let dir = tempfile::tempdir().expect("directory");
        let root = dir.path().join("a/b");
        let first = open(&root).expect("new store");
        let second = open(&root).expect("second opening");
        assert_eq!(first.root(), second.root());
        assert_ne!(first.staging_area().expect("first area"), second.staging_area().expect("second area"));
        assert_eq!(fs::read_to_string(root.join("version")).expect("version"), "2\n");
    }

    #[test]
    fn a_store_without_leases_is_taken_over_when_nobody_uses_it() {
        let dir = tempfile::tempdir().expect("directory");
        drop(open(dir.path()).expect("new store"));
        fs::write(dir.path().join("version"), "1\n").expect("write");
        let older = fs::File::create(dir.path().join("lock")).expect("lock");
        older.lock_shared().expect("lock");
        let error = open(dir.path()).expect_err("an older dhow uses it");
        assert!(matches!(error, Error::InUse(_)) && error.hint().is_some(), "{error}");
        drop(older);
        std::thread::scope(|scope| {
            let opened: Vec<_> = (0..8).map(|_| scope.spawn(|| open(dir.path()).map(drop))).collect();
            opened.into_iter().for_each(|opened| opened.join().expect("no panic").expect("taken over"));
        });
        assert_eq!(fs::read_to_string(dir.path().join("version")).expect("version"), "2\n");
    }

    #[test]
    fn other_directories_and_versions_are_refused() {
        let dir = tempfile::tempdir().expect("directory");
        fs::write(dir.path().join("letter"), "dear").expect("write");
        assert!(matches!(open(dir.path()), Err(Error::NotAStore(_))));
        fs::write(dir.path().join("version"), "3\n").expect("write");
        let error = open(dir.path()).expect_err("unknown version");
        assert!(error.to_string().contains("layout version `3`"), "{error}");
        assert!(error.hint().is_some());
    }

    #[test]
    fn many_processes_worth_of_openings_race_without_harm() {
        let dir = tempfile::tempdir().expect("directory");
        let root = dir.path().join("store");
        std::thread::scope(|scope| {
            let opened: Vec<_> = (0..16).map(|_| scope.spawn(|| open(&root).map(drop))).collect();
            for opened in opened {
                opened.join().expect("no panic").expect("opens");
            }
        });
    }
}
