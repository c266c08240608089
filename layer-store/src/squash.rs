//! Several layers made one.
//!
//! They are unpacked on each other in a tree on the layers below, and what has changed there becomes the layer: what one
//! of them makes and a later one removes is not in it. The layers themselves stay.

use crate::Result;
use crate::layer::{Whiteouts, unpack};
use crate::layer_entry::Layer;
use crate::layer_id::{LayerId, Stack};
use crate::store::Store;

impl Store {
    /// One layer that changes `below` as `layers`, lowest first, do after each other. Of each goes what is not later than
    /// the time beside it, in seconds since 1970; later times become that one.
    ///
    /// # Errors
    /// A layer cannot be unpacked, or the file system refuses.
    pub fn squash(&self, below: &Stack, layers: &[(LayerId, Option<i64>)]) -> Result<Layer> {
        let snapshot = self.prepare(below)?;
        for (id, latest) in layers {
            unpack(self.layer(id)?.tar_until(*latest)?, snapshot.root(), Whiteouts::Apply)?;
        }
        snapshot.commit()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use crate::layer_entry::Layer;
    use crate::layer_id::Stack;
    use crate::test_store::TestStore;

    fn layer(store: &TestStore, below: &Stack, change: impl FnOnce(&crate::root::Root)) -> Layer {
        let snapshot = store.prepare(below).expect("snapshot");
        change(snapshot.root());
        snapshot.commit().expect("commit")
    }

    fn write(root: &crate::root::Root, path: &str) {
        use std::io::Write;
        root.create_file(Path::new(path), 0o644).expect(path).write_all(path.as_bytes()).expect(path);
    }

    #[test]
    fn what_is_made_and_removed_again_is_in_neither() {
        let store = TestStore::new();
        let base = layer(&store, &Stack::default(), |root| {
            write(root, "old");
            root.create_dir(Path::new("dir"), 0o755).expect("dir");
            write(root, "dir/kept");
        });
        let below = Stack(vec![base.id().clone()]);
        let first = layer(&store, &below, |root| {
            write(root, "passing");
            write(root, "dir/new");
        });
        let second = layer(&store, &below.with(first.id().clone()), |root| {
            root.remove_all(Path::new("passing")).expect("remove");
            root.remove_all(Path::new("old")).expect("remove");
        });
        let both = [(first.id().clone(), None), (second.id().clone(), None)];
        let squashed = store.squash(&below, &both).expect("squash");
        let fs = squashed.fs().expect("files");
        let names = |path: &Path| {
            let mut names: Vec<_> =
                fs::read_dir(path).expect("list").map(|entry| entry.expect("entry").file_name()).collect();
            names.sort();
            names
        };
        // `old` is a whiteout, as the base has it.
        assert_eq!(names(&fs), ["dir", "old"]);
        assert!(!fs.join("old").symlink_metadata().expect("whiteout").is_file());
        assert_eq!(names(&fs.join("dir")), ["new"]);

        let all = [(base.id().clone(), None), both[0].clone(), both[1].clone()];
        let fs = store.squash(&Stack::default(), &all).expect("squash").fs().expect("files");
        assert_eq!(names(&fs), ["dir"]);
        assert_eq!(names(&fs.join("dir")), ["kept", "new"]);
    }

    #[test]
    fn times_are_clamped_in_a_layer_of_its_own() {
        use crate::oci::Compression;
        let store = TestStore::new();
        let made = layer(&store, &Stack::default(), |root| write(root, "file"));
        let clamped = made.clamped(1000, Compression::Gzip).expect("clamp");
        assert_ne!(clamped.id(), made.id());
        assert_ne!(clamped.diff_id().expect("diff id"), made.diff_id().expect("diff id"));
        let time = |layer: &Layer| {
            fs::metadata(layer.fs().expect("files").join("file")).expect("file").modified().expect("time")
        };
        assert_eq!(time(&clamped), std::time::UNIX_EPOCH + std::time::Duration::from_secs(1000));
        assert!(time(&made) > time(&clamped));
        assert_eq!(made.clamped(1000, Compression::Gzip).expect("again").id(), clamped.id());
        assert_eq!(clamped.clamped(1000, Compression::Gzip).expect("nothing to do").id(), clamped.id());
    }
}
