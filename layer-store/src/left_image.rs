//! Images whose name went to another image: empty files `left/<hex>`, by the digest of the config.
//!
//! Each build of `app:latest` leaves the image of the one before without a name. Such images belong to the cache's budget
//! (`cache_usage.rs`): the one that was left first goes first. An image that never had a name is somebody's who knows its id.
//! The file is a hint: whether the image has a name again, or a container, is looked up when it matters.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::path::PathBuf;
use std::time::SystemTime;

use crate::durable;
use crate::error::{Error, Result};
use crate::layer_id::LayerId;
use crate::oci::{Digest, ImageId};
use crate::refs::{RefTarget, names_in};
use crate::store::Store;
use crate::sweep_lock::NoSweep;

const DIRECTORY: &str = "left";

/// An image that nothing but its cache value speaks for.
#[derive(Debug)]
pub(crate) struct LeftImage {
    pub(crate) id: ImageId,
    /// Lowest first.
    pub(crate) layers: Vec<LayerId>,
    /// When its name went to another one.
    pub(crate) left: SystemTime,
}

impl Store {
    /// The images that lost their names to others and that no container stands on.
    pub(crate) fn unneeded_images(&self) -> Result<Vec<LeftImage>> {
        let noted = self.left_images()?;
        if noted.is_empty() {
            return Ok(Vec::new());
        }
        let references = self.references()?;
        let named: HashSet<&ImageId> = references.iter().flat_map(|(_, target)| target.images()).collect();
        let containers = self.container_stacks()?;
        let mut unneeded = Vec::new();
        for (id, left) in noted.into_iter().filter(|(id, _)| !named.contains(id)) {
            match self.image_record(&id)? {
                Some(record) if !containers.contains(&record.layers) => {
                    unneeded.push(LeftImage { id, layers: record.layers, left });
                }
                _ => {}
            }
        }
        Ok(unneeded)
    }

    /// Forgets the notes of images that are gone.
    pub(crate) fn sweep_left(&self) -> Result<()> {
        for (id, _) in self.left_images()? {
            if self.image_record(&id)?.is_none() {
                self.forget_left(&id)?;
            }
        }
        Ok(())
    }

    /// Notes that a name of the image went to another one. Without the note the image stays until somebody removes it.
    pub(crate) fn note_left(&self, image: &ImageId) {
        let path = self.left_path(image);
        let create = || File::options().create(true).truncate(false).write(true).open(&path);
        let file = match create() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                fs::create_dir_all(self.path(DIRECTORY)).and_then(|()| create())
            }
            other => other,
        };
        let _ = file.and_then(|file| file.set_modified(SystemTime::now()));
    }

    /// Notes that images lost a name to `successor`, and that layers which it has not are the cache's now.
    pub(crate) fn leave<'a>(
        &self,
        no_sweep: &NoSweep,
        images: impl Iterator<Item = &'a ImageId>,
        successor: &RefTarget,
    ) {
        let layers =
            |image: &ImageId| self.image_record(image).ok().flatten().map_or(Vec::new(), |record| record.layers);
        let mut counted: HashSet<LayerId> = successor.images().flat_map(layers).collect();
        for image in images {
            self.note_left(image);
            let only_its: Vec<LayerId> =
                layers(image).into_iter().filter(|layer| counted.insert(layer.clone())).collect();
            // About; the next count is exact, and does not need this one.
            let bytes = only_its.iter().map(|layer| self.layer_size(layer).unwrap_or(0)).sum();
            self.add_to_cache_size(no_sweep, bytes);
        }
    }

    /// The images that lost a name, and when.
    pub(crate) fn left_images(&self) -> Result<Vec<(ImageId, SystemTime)>> {
        let directory = self.path(DIRECTORY);
        let mut left = Vec::new();
        for name in names_in(&directory)? {
            let path = directory.join(&name);
            let id = ImageId(Digest::from_hex(&name).map_err(Error::damaged(&path))?);
            let Ok(time) = fs::metadata(&path).and_then(|metadata| metadata.modified()) else { continue };
            left.push((id, time));
        }
        Ok(left)
    }

    /// Forgets the note.
    pub(crate) fn forget_left(&self, image: &ImageId) -> Result<()> {
        durable::remove(&self.left_path(image)).map(drop)
    }

    fn left_path(&self, image: &ImageId) -> PathBuf {
        self.path(DIRECTORY).join(image.digest().hex())
    }
}

#[cfg(test)]
mod tests {
    use crate::oci::{DiffId, MediaType, Reference};
    use crate::test_store::TestStore;

    #[test]
    fn layers_of_an_image_that_lost_its_name_count() {
        let store = TestStore::new();
        let name: Reference = "app".parse().unwrap();
        let image = |layers: &[&[u8]]| {
            let layer = |content: &&[u8]| {
                let blob = store.put_blob(MediaType::OciLayer, content).unwrap();
                store.add_blob_layer(DiffId(blob.digest), blob).unwrap().id().clone()
            };
            store.add_image_on(&layers.iter().map(layer).collect::<Vec<_>>())
        };
        store.note_cache_size(0);
        store.tag(&name, &image(&[b"shared", &[1; 1000]]), None).unwrap();
        store.tag(&name, &image(&[b"shared", &[2; 3000]]), None).unwrap();
        assert!(store.is_cache_within(1000, 0) && !store.is_cache_within(999, 0));
        store.tag(&name, &image(&[b"shared"]), None).unwrap();
        assert!(store.is_cache_within(4000, 0) && !store.is_cache_within(3999, 0));
    }

    #[test]
    fn a_name_that_moves_leaves_a_note_which_goes_with_the_image() {
        let store = TestStore::new();
        let [one, other] = ["a", "b"].map(|name| store.add_empty_image(name));
        let name = "app".parse().unwrap();
        store.tag(&name, &one, None).unwrap();
        store.tag(&name, &one, None).unwrap();
        assert!(store.left_images().unwrap().is_empty());
        store.tag(&name, &other, None).unwrap();
        let left: Vec<_> = store.left_images().unwrap().into_iter().map(|(image, _)| image).collect();
        assert_eq!(left, [one]);
        assert!(store.remove_image(&one).unwrap());
        assert!(store.left_images().unwrap().is_empty());
    }
}
