//! Names of images: `refs/<registry>/<repository>/_tags/<tag>.json` and `…/_digests/<hex>.json`.
//!
//! No component of a repository begins with `_` (distribution's grammar), so the two directories cannot be mistaken
//! for one. Finding an image by what a user typed is in `find.rs`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::durable;
use crate::error::{Error, Result};
use crate::oci::{Descriptor, ImageId, Reference};
use crate::store::Store;

const TAGS: &str = "_tags";
const DIGESTS: &str = "_digests";
const SUFFIX: &str = ".json";

/// What a reference stands for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefTarget {
    /// The image.
    pub image: ImageId,
    /// The manifest or index that the reference names in its registry, if it came from, or went to, there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest: Option<Descriptor>,
    /// The images of the name for several platforms, in the order of their index and `image` among them; empty if there is
    /// only one. They go to a registry together, below one index.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub platforms: Vec<ImageId>,
}

impl RefTarget {
    /// A name for one image.
    pub fn one(image: ImageId, manifest: Option<Descriptor>) -> Self {
        Self { image, manifest, platforms: Vec::new() }
    }

    /// All images that the name stands for, the one first that it means where no platform is asked for.
    pub fn images(&self) -> impl Iterator<Item = &ImageId> {
        std::iter::once(&self.image).chain(self.platforms.iter().filter(|image| **image != self.image))
    }

    /// All images that the name stands for, in the order of their index.
    pub fn in_order(&self) -> Vec<ImageId> {
        if self.platforms.is_empty() { vec![self.image] } else { self.platforms.clone() }
    }

    /// Whether the name stands for `image`, on whatever platform.
    pub fn stands_for(&self, image: &ImageId) -> bool {
        self.images().any(|known| known == image)
    }
}

impl Store {
    /// Makes `reference` a name of `image`, which may be known to its registry as `manifest`. A name that stood for
    /// another image moves.
    ///
    /// # Errors
    /// There is no such image, or the file system refuses.
    pub fn tag(&self, reference: &Reference, image: &ImageId, manifest: Option<Descriptor>) -> Result<()> {
        self.tag_as(reference, RefTarget::one(*image, manifest))
    }

    /// Makes `reference` a name of all images of `target`.
    ///
    /// # Errors
    /// One of them does not exist, or the file system refuses.
    pub fn tag_as(&self, reference: &Reference, target: RefTarget) -> Result<()> {
        let no_sweep = self.no_sweep()?;
        // The lock keeps the images from going while they get the name.
        let _lock = durable::lock_directory(&self.path("images"))?;
        for image in target.images() {
            self.image(image)?;
        }
        // Syncing what is there already would cost a cached build more than all the rest of it.
        let before = self.resolve(reference).ok().flatten();
        if before.as_ref() == Some(&target) {
            return Ok(());
        }
        self.write_file(&self.ref_path(reference), &durable::encode("a reference", &target)?)?;
        let left: Vec<ImageId> = before.iter().flat_map(RefTarget::images).copied().collect();
        self.leave(&no_sweep, left.iter().filter(|image| !target.stands_for(image)), &target);
        Ok(())
    }

    /// Removes a name; the image it stood for stays, even without names. `None` if there was no such name.
    ///
    /// # Errors
    /// The file system refuses.
    pub fn untag(&self, reference: &Reference) -> Result<Option<ImageId>> {
        let Some(target) = self.resolve(reference)? else { return Ok(None) };
        let path = self.ref_path(reference);
        if !durable::remove(&path)? {
            return Ok(None);
        }
        self.prune_directories(&path);
        Ok(Some(target.image))
    }

    /// What exactly this reference stands for.
    ///
    /// # Errors
    /// The file system refuses, or the entry is damaged.
    pub fn resolve(&self, reference: &Reference) -> Result<Option<RefTarget>> {
        durable::read(&self.ref_path(reference))
    }

    /// All names and what they stand for, sorted.
    ///
    /// # Errors
    /// The file system refuses, or an entry is damaged.
    pub fn references(&self) -> Result<Vec<(Reference, RefTarget)>> {
        let mut found = Vec::new();
        collect(&self.path("refs"), "", &mut found)?;
        found.sort_by(|(one, _), (other, _)| one.cmp(other));
        Ok(found)
    }

    /// A reference with a digest is kept by its digest, whatever its tag.
    fn ref_path(&self, reference: &Reference) -> PathBuf {
        let repository = self.path("refs").join(reference.registry()).join(reference.repository());
        match (reference.digest(), reference.tag()) {
            (Some(digest), _) => repository.join(DIGESTS).join(digest.hex() + SUFFIX),
            (None, tag) => repository.join(TAGS).join(tag.unwrap_or("latest").to_owned() + SUFFIX),
        }
    }

    /// Removes the directories above `path` that became empty. One that another process fills meanwhile stays.
    fn prune_directories(&self, path: &Path) {
        let top = self.path("refs");
        path.ancestors()
            .skip(1)
            .take_while(|directory| *directory != top)
            .all(|directory| fs::remove_dir(directory).is_ok());
    }
}

/// Collects the references below `directory`, whose path below `refs` is `name`.
fn collect(directory: &Path, name: &str, found: &mut Vec<(Reference, RefTarget)>) -> Result<()> {
    for file_name in names_in(directory)? {
        let path = directory.join(&file_name);
        match file_name.as_str() {
            TAGS => collect_files(&path, &format!("{name}:"), found)?,
            DIGESTS => collect_files(&path, &format!("{name}@sha256:"), found)?,
            component if name.is_empty() => collect(&path, component, found)?,
            component => collect(&path, &format!("{name}/{component}"), found)?,
        }
    }
    Ok(())
}

fn collect_files(directory: &Path, prefix: &str, found: &mut Vec<(Reference, RefTarget)>) -> Result<()> {
    for file_name in names_in(directory)? {
        let path = directory.join(&file_name);
        let text = format!("{prefix}{}", file_name.strip_suffix(SUFFIX).unwrap_or(&file_name));
        let reference: Reference = text.parse().map_err(Error::damaged(&path))?;
        if let Some(target) = durable::read(&path)? {
            found.push((reference, target));
        }
    }
    Ok(())
}

/// The names in a directory of the store; none if it has just been removed.
pub(crate) fn names_in(directory: &Path) -> Result<Vec<String>> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        result => result.map_err(Error::io("read", directory))?,
    };
    let name = |entry: io::Result<fs::DirEntry>| -> Result<String> {
        let entry = entry.map_err(Error::io("read", directory))?;
        Ok(entry.file_name().to_string_lossy().into_owned())
    };
    entries.map(name).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use crate::error::Error;
    use crate::oci::{Descriptor, Digest, ImageId, MediaType, Reference};
    use crate::test_store::TestStore;

    fn reference(text: &str) -> Reference {
        text.parse().expect(text)
    }

    #[test]
    fn names_come_and_go_and_leave_no_directories() {
        let store = TestStore::new();
        let image = store.add_empty_image("a");
        let other = store.add_empty_image("b");
        let digest = Digest::of(b"manifest");
        let manifest = Descriptor::new(MediaType::OciManifest, digest, 8);
        let pinned = format!("r.example:5000/a/b@{digest}");
        let names = ["debian", "debian:13", "r.example:5000/a", "r.example:5000/a/b:1", "[::1]:5/x:y", &pinned];
        for name in names {
            store.tag(&reference(name), &image, Some(manifest.clone())).expect(name);
        }
        let listed: Vec<_> = store.references().expect("list").into_iter().map(|(name, _)| name.familiar()).collect();
        let mut expected: Vec<_> = names.map(reference).to_vec();
        expected.sort();
        assert_eq!(listed, expected.iter().map(Reference::familiar).collect::<Vec<_>>());

        store.tag(&reference("debian"), &other, None).expect("moves");
        assert_eq!(store.untag(&reference("debian")).expect("untag"), Some(other));
        assert_eq!(store.untag(&reference("debian")).expect("untag"), None);
        for name in &names[1..] {
            assert_eq!(store.untag(&reference(name)).expect(name), Some(image));
        }
        assert_eq!(fs::read_dir(store.path("refs")).expect("refs").count(), 0);
    }

    #[test]
    fn what_does_not_exist_gets_no_name() {
        let store = TestStore::new();
        let error = store.tag(&reference("a"), &ImageId(Digest::of(b"")), None).expect_err("no image");
        assert!(matches!(error, Error::ImageNotFound { .. }), "{error}");
        assert!(store.references().expect("list").is_empty());
    }

    #[test]
    fn a_damaged_entry_is_named() {
        let store = TestStore::new();
        let image = store.add_empty_image("a");
        store.tag(&reference("debian"), &image, None).expect("tag");
        let path = store.path("refs/docker.io/library/debian/_tags/latest.json");
        fs::write(&path, "").expect("damage");
        let error = store.references().expect_err("damaged");
        assert!(error.to_string().contains("latest.json"), "{error}");
    }
}
