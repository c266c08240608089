//! Writing one image, or one for each of several platforms, with the manifests that they were packed with: as a tar, or as a directory in which an OCI layout may be
//! already (image-spec `image-layout.md`).

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use tempfile::NamedTempFile;

use super::event::{Event, Progress};
use super::oci_layout::{INDEX, LAYOUT, LAYOUT_CONTENT, REF_NAME, blob_name};
use super::save::{Plan, json};
use crate::error::{Error, Result};
use crate::image_index::ImageIndex;
use crate::oci::{Descriptor, ImageId, Index, Manifest, MediaType, Raw, Reference};
use crate::portable::Portable;
use crate::store::Store;

/// For whom an archive is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tables {
    /// For readers of OCI layouts.
    Oci,
    /// For `docker load`, too: with `manifest.json`.
    Docker,
}

/// What is written.
#[derive(Debug, Clone, Copy)]
pub enum Content<'a> {
    /// An image, by its manifest.
    Image(ImageId, &'a Raw<Manifest>),
    /// Images for several platforms, below their index.
    Index(&'a ImageIndex),
}

/// An image as it is to be written; all its blobs are in the store.
#[derive(Debug, Clone, Copy)]
pub struct Export<'a> {
    /// The image, or several.
    pub content: Content<'a>,
    /// Its names.
    pub names: &'a [Reference],
    /// Annotations of its entry in `index.json`.
    pub annotations: &'a BTreeMap<String, String>,
    /// For whom it is.
    pub tables: Tables,
}

impl Content<'_> {
    fn manifests(&self) -> Vec<&Raw<Manifest>> {
        match self {
            Self::Image(_, manifest) => vec![manifest],
            Self::Index(index) => index.images.iter().map(|(_, manifest)| manifest).collect(),
        }
    }
}

/// Writes the image as a tar. Memory does not grow with it.
///
/// # Errors
/// A blob of it is not in the store or is damaged; or `out` refuses.
pub fn export(store: &Store, export: &Export<'_>, out: &mut dyn Write, progress: Progress<'_>) -> Result<()> {
    plan(store, export)?.write(store, out, progress)
}

/// Adds the image to the OCI layout in `directory`, which is made if there is none. An image there that has one of its
/// names loses it.
///
/// # Errors
/// A blob of it is not in the store or is damaged; there is something else in the directory's `index.json`; or the file
/// system refuses.
pub fn export_dir(store: &Store, export: &Export<'_>, directory: &Path, progress: Progress<'_>) -> Result<()> {
    let mut plan = plan(store, export)?;
    let blobs = directory.join("blobs/sha256");
    fs::create_dir_all(&blobs).map_err(Error::io("create", &blobs))?;
    for manifest in export.content.manifests() {
        for blob in manifest.layers.iter().chain([&manifest.config]) {
            copy_blob(store, blob, directory, progress)?;
        }
        write_document(directory, manifest.bytes())?;
    }
    if let Content::Index(index) = export.content {
        write_document(directory, index.document.bytes())?;
    }
    plan.index.splice(0..0, others(&directory.join(INDEX), &plan.index)?);
    write(&directory.join(LAYOUT), LAYOUT_CONTENT)?;
    write(&directory.join(INDEX), &json(&Index::oci(plan.index))?)
}

fn plan(store: &Store, export: &Export<'_>) -> Result<Plan> {
    let mut plan = Plan::default();
    match export.content {
        Content::Image(image, manifest) => {
            let media_type = manifest.media_type.clone().unwrap_or(MediaType::OciManifest);
            let mut descriptor = Descriptor::of(media_type, manifest.bytes());
            descriptor.annotations.clone_from(export.annotations);
            let portable = Portable { descriptor, manifest: manifest.clone() };
            plan.add_portable(&portable, &store.image(&image)?, export.names);
        }
        Content::Index(index) => plan.add_index(store, index, (export.names, export.annotations))?,
    }
    if export.tables == Tables::Oci {
        plan.items.clear();
    }
    Ok(plan)
}

/// Writes a manifest or an index as a blob.
fn write_document(directory: &Path, bytes: &[u8]) -> Result<()> {
    write(&directory.join(blob_name(&Descriptor::of(MediaType::OciManifest, bytes))), bytes)
}

/// The entries of an index that is there, but for those that `new` replaces: the same image, or the same name.
fn others(index: &Path, new: &[Descriptor]) -> Result<Vec<Descriptor>> {
    let bytes = match fs::read(index) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        result => result.map_err(Error::io("read", index))?,
    };
    let found: Index = serde_json::from_slice(&bytes).map_err(Error::damaged(index))?;
    let is_replaced = |old: &Descriptor| {
        new.iter().any(|new| {
            let name = new.annotations.get(REF_NAME);
            (name.is_some() && name == old.annotations.get(REF_NAME)) || (name.is_none() && new.digest == old.digest)
        })
    };
    Ok(found.manifests.into_iter().filter(|old| !is_replaced(old)).collect())
}

fn copy_blob(store: &Store, blob: &Descriptor, directory: &Path, progress: Progress<'_>) -> Result<()> {
    let name = &blob_name(blob);
    let path = directory.join(name);
    if fs::metadata(&path).is_ok_and(|known| known.len() == blob.size) {
        return Ok(());
    }
    progress(Event::Started { name, size: blob.size });
    let mut temporary = beside(&path)?;
    io::copy(&mut store.open_blob(blob)?, &mut temporary).map_err(Error::io("write", &path))?;
    publish(temporary, &path)?;
    progress(Event::Done { name });
    Ok(())
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut temporary = beside(path)?;
    temporary.write_all(bytes).map_err(Error::io("write", path))?;
    publish(temporary, path)
}

/// A file that takes the place of `path` when it is whole.
fn beside(path: &Path) -> Result<NamedTempFile> {
    let directory = path.parent().unwrap_or(Path::new("."));
    NamedTempFile::with_prefix_in(".dhow-", directory).map_err(Error::io("write", path))
}

fn publish(temporary: NamedTempFile, path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let readable = fs::Permissions::from_mode(0o644);
    let file: &File = temporary.as_file();
    file.set_permissions(readable).map_err(Error::io("write", path))?;
    temporary.persist(path).map(drop).map_err(|error| Error::io("write", path)(error.error))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs;

    use super::{Content, Export, Tables, export, export_dir};
    use crate::archive::load;
    use crate::import::{ImportOptions, import_dir};
    use crate::oci::{Compression, Index, Reference};
    use crate::packing::Packing;
    use crate::test_store::TestStore;

    #[test]
    fn an_archive_and_a_directory_hold_the_manifest_as_it_was_packed() {
        let store = TestStore::new();
        let tree = tempfile::tempdir().expect("directory");
        fs::write(tree.path().join("file"), "text").expect("file");
        let image = import_dir(&store, tree.path(), &ImportOptions::default()).expect("import");
        let noted: BTreeMap<_, _> = [("a".to_owned(), "b".to_owned())].into();
        let packing = Packing { annotations: noted.clone(), ..Packing::in_form(Compression::Zstd) };
        let manifest = store.manifest_with(&image, &packing).expect("manifest");
        let names: [Reference; 1] = ["r.example/a:1".parse().expect("name")];
        for tables in [Tables::Oci, Tables::Docker] {
            let what = Export { content: Content::Image(image, &manifest), names: &names, annotations: &noted, tables };
            let mut tar = Vec::new();
            export(&store, &what, &mut tar, &|_| ()).expect("export");
            let there = TestStore::new();
            let loaded = load(&there, &tar[..], &|_| ()).expect("load");
            assert_eq!(loaded.len(), 1);
            assert!(there.has_blob(&manifest.digest()), "{tables:?}");
            assert!(there.resolve(&names[0]).expect("resolve").is_some(), "{tables:?}");
            let has_table = tar.windows(13).any(|window| window == b"manifest.json");
            assert_eq!(has_table, tables == Tables::Docker);
        }
        let directory = tempfile::tempdir().expect("directory");
        let target = directory.path().join("layout");
        let other: [Reference; 1] = ["r.example/a:2".parse().expect("name")];
        for names in [&names, &other, &names] {
            let what =
                Export { content: Content::Image(image, &manifest), names, annotations: &noted, tables: Tables::Oci };
            export_dir(&store, &what, &target, &|_| ()).expect("export");
        }
        let index: Index = serde_json::from_slice(&fs::read(target.join("index.json")).expect("index")).expect("JSON");
        assert_eq!(index.manifests.len(), 2);
        assert_eq!(index.manifests[0].digest, manifest.digest());
        assert_eq!(index.manifests[0].annotations["a"], "b");
        assert_eq!(
            fs::read(target.join("blobs/sha256").join(manifest.digest().hex())).expect("blob"),
            manifest.bytes()
        );
    }
}
