//! A root file system becomes an image of one layer.
//!
//! The layer is made of the files, in canonical form: a directory and a tar of it give the same layer. What was
//! imported is not kept in the form in which it came.

use std::io::Read;
use std::path::Path;

use crate::archive::{ArchiveProblem, decompressed};
use crate::durable;
use crate::error::{Error, Result};
use crate::image::now;
use crate::layer::{self, HashSink, Whiteouts, pack, unpack};
use crate::layer_entry::{Layer, LayerEntry};
use crate::layer_id::LayerId;
use crate::oci::{ContainerConfig, DiffId, History, ImageConfig, ImageId, MediaType, Platform, Raw};
use crate::root::Root;
use crate::snapshot::make_dir;
use crate::staging::StagingDir;
use crate::store::Store;

/// What the config of an imported image says.
#[derive(Debug, Clone, PartialEq)]
pub struct ImportOptions {
    /// The platform of the programs in it.
    pub platform: Platform,
    /// Defaults for containers.
    pub config: ContainerConfig,
    /// When it was made, RFC 3339; `None` is now.
    pub created: Option<String>,
    /// Comment of the entry in the history.
    pub comment: String,
}

impl Default for ImportOptions {
    /// An image for this machine without defaults for containers.
    fn default() -> Self {
        let comment = "Imported".to_owned();
        Self { platform: Platform::host(), config: ContainerConfig::default(), created: None, comment }
    }
}

/// Makes an image of a tar of a root file system, plain or in gzip or zstd. Memory does not grow with it.
///
/// # Errors
/// The tar is damaged, or has names or links that lead out of it, or is an image archive, which
/// [`load`](crate::archive::load) reads; the store is as it was then. Or the file system refuses.
pub fn import_tar(store: &Store, input: impl Read, options: &ImportOptions) -> Result<ImageId> {
    let staged = Staged::new(store)?;
    unpack(decompressed(input)?, &staged.root, Whiteouts::Literal)?;
    staged.refuse_image_archive()?;
    let (digest, size) = pack(&staged.root, HashSink::new())?.finish();
    let layer = staged.publish(DiffId(digest), size)?;
    image_from_layer(store, &layer, options)
}

/// Makes an image of a directory. Owners are those on disk, the directory's own mode and owner are not kept.
///
/// # Errors
/// A file cannot be read, or cannot be part of a layer; the store is as it was then. Or the file system refuses.
pub fn import_dir(store: &Store, directory: &Path, options: &ImportOptions) -> Result<ImageId> {
    let source = Root::open(directory)?;
    let staged = Staged::new(store)?;
    let (tar, hash) = layer::pack_hashed(source)?;
    unpack(tar, &staged.root, Whiteouts::Overlay)?;
    let (digest, size) = hash.join()?;
    let layer = staged.publish(DiffId(digest), size)?;
    image_from_layer(store, &layer, options)
}

/// Makes an image of a layer that is in the store.
///
/// # Errors
/// The layer cannot be read, or the file system refuses.
pub fn image_from_layer(store: &Store, layer: &Layer, options: &ImportOptions) -> Result<ImageId> {
    let created = Some(options.created.clone().unwrap_or_else(now));
    let mut config = ImageConfig::new(&options.platform);
    config.created.clone_from(&created);
    config.config = options.config.clone();
    config.rootfs.diff_ids.push(layer.diff_id()?);
    config.history.push(History { created, comment: Some(options.comment.clone()), ..History::default() });
    let config = Raw::create(config).map_err(|source| Error::Encode { what: "an image config", source })?;
    store.add_image(&config, MediaType::OciConfig, &[layer.id().clone()], None)
}

/// A tree in the staging area that is to be a layer.
struct Staged {
    root: Root,
    directory: StagingDir,
}

impl Staged {
    fn new(store: &Store) -> Result<Self> {
        let directory = store.staging()?;
        let fs = directory.path().join("fs");
        make_dir(&fs)?;
        let ownership = store.options().ownership;
        let root = Root::open(&fs)?.with_ownership(ownership).map_err(Error::io("open", &fs))?;
        Ok(Self { root, directory })
    }

    fn refuse_image_archive(&self) -> Result<()> {
        let has = |name: &str| self.directory.path().join("fs").join(name).is_file();
        if has("oci-layout") || (has("manifest.json") && has("repositories")) {
            return Err(ArchiveProblem::NotARootFs.into());
        }
        Ok(())
    }

    fn publish(self, diff_id: DiffId, size: u64) -> Result<Layer> {
        let store = self.directory.store();
        let fs = self.directory.path().join("fs");
        if let Some(known) = store.layer_by_diff_id(&diff_id)? {
            return Ok(known);
        }
        self.root.dir().sync_file_system().map_err(Error::io("sync", &fs))?;
        let entry = LayerEntry { diff_id: Some(diff_id), size: Some(size), ..LayerEntry::default() };
        let layer = store.publish_layer(&LayerId::random()?, &self.directory, &entry)?;
        durable::sync_parent(&layer.path())?;
        Ok(layer)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::{ImportOptions, import_dir, import_tar};
    use crate::archive::ArchiveProblem;
    use crate::error::Error;
    use crate::layer::{Compressor, pack};
    use crate::oci::Compression;
    use crate::root::Root;
    use crate::tarball::{EntryKind, TarEntry, TarWriter};
    use crate::test_store::TestStore;

    fn options() -> ImportOptions {
        ImportOptions { created: Some("2020-01-01T00:00:00Z".to_owned()), ..ImportOptions::default() }
    }

    fn tree() -> tempfile::TempDir {
        let tree = tempfile::tempdir().expect("directory");
        fs::create_dir_all(tree.path().join("usr/bin")).expect("directory");
        fs::write(tree.path().join("usr/bin/tool"), "#!/bin/sh\n").expect("file");
        fs::hard_link(tree.path().join("usr/bin/tool"), tree.path().join("usr/bin/same")).expect("link");
        symlink("usr/bin", tree.path().join("bin")).expect("symlink");
        tree
    }

    fn compressed(tar: &[u8], compression: Compression) -> Vec<u8> {
        let mut out = Compressor::new(Vec::new(), compression).expect("compressor");
        std::io::Write::write_all(&mut out, tar).expect("compress");
        out.finish().expect("compress")
    }

    #[test]
    fn a_directory_and_its_tar_give_the_same_image() {
        let tree = tree();
        let store = TestStore::new();
        let image = import_dir(&store, tree.path(), &options()).expect("import");
        assert!(store.validate(&image).expect("image").is_empty());
        let stored = store.image(&image).expect("image");
        assert_eq!((stored.layers.len(), stored.config.history.len()), (1, 1));
        assert!(stored.size().expect("size") > 0);
        let fs = store.layer(&stored.layers[0]).expect("layer").fs().expect("files");
        assert_eq!(fs::read(fs.join("bin/same")).expect("file"), b"#!/bin/sh\n");

        let tar = pack(&Root::open(tree.path()).expect("root"), Vec::new()).expect("tar");
        for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
            let there = TestStore::new();
            let tar = compressed(&tar, compression);
            assert_eq!(import_tar(&there, &tar[..], &options()).expect("import"), image);
            assert!(there.validate(&image).expect("image").is_empty());
        }
        import_dir(&store, tree.path(), &options()).expect("again");
        assert_eq!(fs::read_dir(store.path("layers")).expect("layers").count(), 1);
        assert!(store.staging_is_empty());
    }

    #[test]
    fn what_is_no_root_file_system_is_refused_without_a_trace() {
        let entry = |name: &str, kind: EntryKind| {
            let mut tar = TarWriter::new(Vec::new());
            tar.append(&TarEntry::new(name, kind, 0o644), &mut &[][..]).expect("tar");
            tar.finish().expect("tar")
        };
        let escaping = entry("../../etc/cron.d/evil", EntryKind::Regular);
        let linking = entry("evil", EntryKind::HardLink(b"../../../etc/passwd".to_vec()));
        let archive = entry("oci-layout", EntryKind::Regular);
        for (input, message) in [
            (vec![], "the archive is empty"),
            (b"\xfd7zXZ\0".to_vec(), "compressed with `xz`"),
            (b"hello, world\n".repeat(50), "checksum"),
            (escaping, "leads out of the root"),
            (linking, "leads out of the root"),
            (archive, "image archive"),
        ] {
            let store = TestStore::new();
            let before = store.contents();
            let error = import_tar(&store, &input[..], &options()).expect_err(message);
            assert!(error.to_string().contains(message) || inner(&error).contains(message), "{error:?}");
            assert!(error.hint().is_some(), "{error:?}");
            assert!(store.staging_is_empty() && store.contents() == before, "{message}");
        }
        let store = TestStore::new();
        let missing = import_dir(&store, &store.path("missing"), &options());
        assert!(matches!(missing, Err(Error::Io { .. })), "{missing:?}");
        let tree = tree();
        fs::write(tree.path().join("usr/.wh.tool"), "").expect("file");
        let unpackable = import_dir(&store, tree.path(), &options());
        assert!(matches!(unpackable, Err(Error::NotPackable { .. })), "{unpackable:?}");
    }

    fn inner(error: &Error) -> String {
        match error {
            Error::Archive(problem) => ArchiveProblem::to_string(problem),
            other => other.to_string(),
        }
    }
}
