//! What a sweep removes, and what it leaves to whom.

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::json;

use super::{SweepOptions, Swept};
use crate::error::Error;
use crate::layer_id::{LayerId, Stack};
use crate::oci::{Descriptor, DiffId, Digest, Manifest, MediaType};
use crate::record::{CacheKey, CacheRecord};
use crate::removal::{Conflict, Force, Removed};
use crate::store::Store;
use crate::test_store::TestStore;

fn layer(store: &TestStore, content: &[u8]) -> LayerId {
    layer_in(store, content)
}

fn layer_in(store: &Store, content: &[u8]) -> LayerId {
    let blob = store.put_blob(MediaType::OciLayer, content).expect("blob");
    store.add_blob_layer(DiffId(blob.digest), blob).expect("layer").id().clone()
}

#[test]
fn what_somebody_needs_stays_and_the_rest_goes() {
    let store = TestStore::new();
    let by_image = layer(&store, b"image");
    let by_record = layer(&store, b"record");
    let by_container = layer(&store, b"container");
    let by_nobody = layer(&store, b"nobody");
    store.put_blob(MediaType::OciLayer, b"stray").expect("blob");
    let image = store.add_image_on(std::slice::from_ref(&by_image));
    let config = store.image(&image).expect("image").config_descriptor;
    let received = Descriptor::of(MediaType::OciLayerGzip, b"received");
    store.put_blob(MediaType::OciLayerGzip, b"received").expect("blob");
    let manifest = serde_json::to_vec(&Manifest::oci(config, vec![received.clone()])).expect("manifest");
    let manifest = store.put_blob(MediaType::OciManifest, &manifest).expect("blob");
    store.tag(&"a".parse().expect("name"), &image, Some(manifest.clone())).expect("tag");
    let record = CacheRecord::new(Some(by_record.clone()), Stack::default(), json!(null));
    store.put_record(&CacheKey(Digest::of(b"")), &record).expect("record");
    fs::create_dir(store.path("containers/c")).expect("container");
    fs::write(store.path("containers/c/layers"), format!("{by_container}\n")).expect("container");
    let nobodys = store.layer(&by_nobody).expect("layer").known_diff_id().expect("entry").expect("diff id");

    let swept = store.sweep(SweepOptions::default()).expect("sweep");
    assert_eq!((swept.blobs, swept.layers, swept.partials), (2, 1, 0));
    assert!(swept.bytes > 11, "{swept:?}");
    for kept in [&by_image, &by_record, &by_container] {
        let blob = &store.layer(kept).expect("kept").blobs().expect("entry")[0];
        assert!(store.has_blob(&blob.digest));
    }
    assert!(store.has_blob(&received.digest) && store.has_blob(&manifest.digest));
    assert!(store.layer(&by_nobody).is_err());
    assert!(store.layer_by_diff_id(&nobodys).expect("index").is_none());
    assert_eq!(store.sweep(SweepOptions::default()).expect("sweep"), Swept::default());
    assert!(store.staging_is_empty());
}

#[test]
fn what_another_process_has_leased_stays() {
    let store = TestStore::new();
    let other = store.reopened();
    let [leased, loose] = [b"leased", b"loose "].map(|content| layer(&store, content));
    let [wanted, stray] = [b"wanted", b"stray "].map(|text| store.put_blob(MediaType::OciLayer, text).expect("blob"));
    other.layer(&leased).expect("layer");
    assert!(other.has_blob(&wanted.digest));
    let swept = store.sweep(SweepOptions::default()).expect("sweep");
    assert_eq!((swept.layers, swept.blobs), (1, 2));
    assert!(store.layer(&loose).is_err() && !store.has_blob(&stray.digest) && store.has_blob(&wanted.digest));
    let blobs = other.layer(&leased).expect("layer").blobs().expect("entry");
    assert_eq!(blobs.len(), 1, "a leased layer keeps its blobs");
    drop(other);
    let swept = store.sweep(SweepOptions::default()).expect("sweep");
    assert_eq!((swept.layers, swept.blobs), (1, 2));
}

#[test]
fn a_leased_layer_keeps_those_it_lies_on() {
    let store = TestStore::new();
    let mut ids = Vec::new();
    for at in 0..4 {
        let below = Stack(ids.last().cloned().into_iter().collect());
        let snapshot = store.prepare(&below).expect("snapshot");
        snapshot.root().create_dir(Path::new(&at.to_string()), 0o755).expect("directory");
        let layer = match ids.last() {
            Some(onto) => snapshot.commit_onto(onto).expect("layer"),
            None => snapshot.commit().expect("layer"),
        };
        ids.push(layer.id().clone());
    }
    let other = store.reopened();
    other.layer(&ids[2]).expect("layer");
    assert_eq!(store.sweep(SweepOptions::default()).expect("sweep").layers, 1);
    assert_eq!(other.layer(&ids[2]).expect("layer").parts().expect("files").len(), 3);
    drop(other);
    assert_eq!(store.sweep(SweepOptions::default()).expect("sweep").layers, 3);
}

#[test]
fn an_image_that_was_looked_up_outlives_its_removal() {
    let store = TestStore::new();
    let layer = layer(&store, b"content");
    let id = store.add_image_on(std::slice::from_ref(&layer));
    let other = store.reopened();
    let image = other.image(&id).expect("image");
    assert!(store.remove_image(&id).expect("remove"), "only its content is leased");
    store.sweep(SweepOptions::default()).expect("sweep");
    assert!(other.layer(&layer).is_ok() && other.has_blob(&image.config_descriptor.digest));
    assert!(matches!(other.image(&id), Err(Error::ImageNotFound { .. })));
}

#[test]
fn an_image_that_another_process_has_made_can_still_get_its_name() {
    let store = TestStore::new();
    let image = store.add_empty_image("a");
    let other = store.reopened();
    assert!(!other.remove_image(&image).expect("remove"));
    let name = "app".parse().expect("name");
    store.tag(&name, &image, None).expect("tag");
    let removed = other.remove("app", Force::No, &[]).expect("remove");
    assert_eq!(removed, [Removed::Untagged(name)]);
    let conflict = other.remove(&image.digest().hex(), Force::Yes, &[]).expect_err("in use");
    assert!(matches!(conflict, Error::ImageInUse { conflict: Conflict::BeingMade, .. }), "{conflict}");
    store.sweep(SweepOptions::default()).expect("sweep");
    assert!(!other.remove_image(&image).expect("remove"), "an own sweep keeps what was made");
}

#[test]
fn a_reference_is_written_before_a_sweep_or_after_it() {
    let store = TestStore::new();
    let other = store.reopened();
    let lock = store.sweep_lock().expect("lock");
    std::thread::scope(|scope| {
        let record = scope.spawn(|| {
            let by_record = layer_in(&other, b"record");
            let record = CacheRecord::new(Some(by_record.clone()), Stack::default(), json!(null));
            other.put_record(&CacheKey(Digest::of(b"")), &record).expect("record");
            by_record
        });
        std::thread::sleep(Duration::from_millis(50));
        assert!(!record.is_finished(), "it waits for the sweep");
        drop(lock);
        let by_record = record.join().expect("no panic");
        assert_eq!(store.sweep(SweepOptions::default()).expect("sweep").layers, 0);
        assert!(store.layer(&by_record).is_ok());
    });
}

#[test]
fn old_downloads_go_and_new_ones_stay() {
    let store = TestStore::new();
    let blob = Descriptor::of(MediaType::OciLayer, b"content");
    drop(store.resume_blob(&blob).expect("begin"));
    assert_eq!(store.sweep(SweepOptions::default()).expect("sweep").partials, 0);
    let now = SweepOptions { keep_partial: Duration::ZERO };
    assert_eq!(store.sweep(now).expect("sweep").partials, 1);
}

#[test]
fn an_image_that_was_looked_up_does_not_go_by_itself() {
    let store = TestStore::new();
    let image = store.add_empty_image("a");
    let store = store.restarted();
    let other = store.reopened();
    other.image(&image).expect("image");
    assert!(store.remove_nameless(&image).expect("prune").is_empty());
    assert!(store.remove_with_names(&image).expect("prune").is_empty());
    drop(other);
    assert_eq!(store.remove_nameless(&image).expect("prune"), [Removed::Deleted(image)]);
}

#[test]
fn a_name_is_found_while_it_moves() {
    let store = TestStore::new();
    let images = ["a", "b"].map(|author| store.add_empty_image(author));
    let name = "app".parse().expect("name");
    store.tag(&name, &images[0], None).expect("tag");
    let (other, store) = (store.reopened(), store.restarted());
    let end = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for at in 1..300 {
                let image = store.add_empty_image(["a", "b"][at % 2]);
                store.tag(&name, &image, None).expect("tag");
                other.remove_nameless(&images[(at + 1) % 2]).expect("prune");
            }
            end.store(true, std::sync::atomic::Ordering::Relaxed);
        });
        while !end.load(std::sync::atomic::Ordering::Relaxed) {
            assert!(store.reopened().find_and_lease("app").expect("look-up").is_some());
        }
    });
}
