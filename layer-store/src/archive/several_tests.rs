//! Images for several platforms in one archive.

use std::fs;

use super::{Selected, load, save};
use crate::image_index::IndexPlan;
use crate::import::{ImportOptions, import_dir};
use crate::oci::{ImageId, Platform, Reference};
use crate::refs::RefTarget;
use crate::test_store::TestStore;

fn image(store: &TestStore, platform: &Platform) -> ImageId {
    let tree = tempfile::tempdir().expect("directory");
    fs::write(tree.path().join("platform"), platform.to_string()).expect("file");
    let created = Some("2026-01-01T00:00:00Z".to_owned());
    let options = ImportOptions { platform: platform.clone(), created, ..ImportOptions::default() };
    import_dir(store, tree.path(), &options).expect("import")
}

fn saved(store: &TestStore, selected: &Selected) -> Vec<u8> {
    let mut out = Vec::new();
    save(store, std::slice::from_ref(selected), &mut out, &|_| ()).expect("save");
    out
}

#[test]
fn images_come_back_under_their_names_in_their_order() {
    let store = TestStore::new();
    let platforms = ["linux/s390x".parse().expect("platform"), Platform::host(), "linux/riscv64".parse().expect("p")];
    let images = platforms.each_ref().map(|platform| image(&store, platform));
    let names: Vec<Reference> = ["r.example/a:1", "r.example/b:2"].map(|name| name.parse().expect("name")).into();
    let index = store.index_with(&IndexPlan::plain(&images)).expect("index").descriptor();
    // With an index of their own, which stays, and without one.
    for known in [Some(index.clone()), None] {
        let selected = Selected { names: names.clone(), images: images.to_vec(), index: known.clone() };
        let there = TestStore::new();
        let archive = saved(&store, &selected);
        let loaded = load(&there, &archive[..], &|_| ()).expect("load");
        assert_eq!(loaded.len(), 1, "{loaded:?}");
        assert_eq!((loaded[0].id, &loaded[0].references), (images[1], &names));
        for name in &names {
            let target: RefTarget = there.resolve(name).expect("resolve").expect("the name");
            assert_eq!((target.image, &target.platforms[..]), (images[1], &images[..]));
            let listed = target.manifest.expect("an index");
            assert!(known.is_none() || listed == index, "{listed:?}");
            assert!(there.whole_index(&listed, &images).expect("index").is_some());
        }
        let again = load(&there, &archive[..], &|_| ()).expect("load");
        assert_eq!(again, loaded);
    }
}

#[test]
fn without_a_name_each_image_is_told() {
    let store = TestStore::new();
    let images = ["linux/s390x", "linux/riscv64"].map(|platform| image(&store, &platform.parse().expect("platform")));
    let selected = Selected { names: Vec::new(), images: images.to_vec(), index: None };
    let there = TestStore::new();
    let loaded = load(&there, &saved(&store, &selected)[..], &|_| ()).expect("load");
    assert_eq!(loaded.iter().map(|loaded| loaded.id).collect::<Vec<_>>(), images);
    assert!(there.references().expect("list").is_empty());
}
