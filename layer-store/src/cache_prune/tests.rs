//! What goes first from the cache, what it frees, and what stays.

use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, SystemTime};

use serde_json::json;

use super::CachePrune;
use crate::cache_usage::{CacheItem, CacheItemKind};
use crate::gc::SweepOptions;
use crate::layer_id::{LayerId, Stack};
use crate::oci::Digest;
use crate::record::{CacheKey, CacheRecord};
use crate::test_store::TestStore;

const MEGABYTE: u64 = 1_000_000;

fn key(name: &str) -> CacheKey {
    CacheKey(Digest::of(name.as_bytes()))
}

fn age(path: &Path, seconds: u64) {
    let then = SystemTime::now() - Duration::from_secs(seconds);
    File::open(path).expect("file").set_modified(then).expect("time");
}

/// Makes the step `name` on `below`: a megabyte, last used `seconds` ago.
fn step(store: &TestStore, name: &str, (below, seconds): (&Stack, u64)) -> Stack {
    let snapshot = store.prepare(below).expect("snapshot");
    let mut file = snapshot.root().create_file(Path::new(name), 0o644).expect("file");
    std::io::Write::write_all(&mut file, &vec![7; MEGABYTE as usize]).expect("write");
    drop(file);
    let layer = snapshot.commit().expect("layer");
    let stack = below.with(layer.id().clone());
    let record = CacheRecord::new(Some(layer.id().clone()), stack.clone(), json!(null));
    let record = record.named(name).sized(layer.disk_size());
    store.put_record(&key(name), &record).expect("record");
    age(&store.path("cache").join(key(name).0.hex() + ".json"), seconds);
    stack
}

fn prune(store: &TestStore, keep: u64, choose: &dyn Fn(&CacheItem) -> bool) -> Vec<String> {
    let pruned = store.prune_cache(&CachePrune { choose, keep, sweep: SweepOptions::default() }).expect("prune");
    pruned.items.iter().map(name).collect()
}

fn name(item: &CacheItem) -> String {
    match (&item.record, &item.kind) {
        (Some(record), _) => record.name.clone().unwrap_or_default(),
        (None, kind) => format!("{kind:?}"),
    }
}

fn layers(store: &TestStore) -> usize {
    fs::read_dir(store.path("layers")).expect("layers").count()
}

#[test]
fn the_oldest_go_first_and_what_carries_others_goes_after_them() {
    let store = TestStore::new();
    let bottom = step(&store, "bottom", (&Stack::default(), 100));
    step(&store, "old", (&bottom, 90));
    step(&store, "new", (&bottom, 10));
    step(&store, "alone", (&Stack::default(), 50));
    let total = store.cache_usage().expect("usage").total();
    assert!((4 * MEGABYTE..5 * MEGABYTE).contains(&total), "{total}");

    assert!(prune(&store, total, &|_| true).is_empty());
    // A byte too much costs the step that was not used for longest, not the one below it.
    assert_eq!(prune(&store, total - 1, &|_| true), ["old"]);
    assert_eq!(prune(&store, 2 * MEGABYTE + MEGABYTE / 2, &|_| true), ["alone"]);
    assert_eq!(layers(&store), 2);
    assert!(store.record(&key("bottom")).expect("look-up").is_some());
    assert_eq!(prune(&store, 0, &|_| true), ["new", "bottom"]);
    assert_eq!((layers(&store), store.cache_usage().expect("usage").total()), (0, 0));
    assert!(store.staging_is_empty());
}

#[test]
fn layers_of_images_cost_the_cache_nothing() {
    let store = TestStore::new();
    let stack = step(&store, "a", (&Stack::default(), 9));
    let ids: Vec<LayerId> = stack.layers().to_vec();
    store.layer(&ids[0]).expect("layer").diff_id().expect("diff id");
    store.add_image_on(&ids);
    let usage = store.cache_usage().expect("usage");
    assert_eq!(usage.total(), 0);
    assert!(usage.items[0].shared && usage.items[0].size > MEGABYTE - 1);
    assert!(prune(&store, 0, &|item| !item.shared).is_empty());
    assert_eq!(prune(&store, 0, &|_| true), ["a"]);
    assert_eq!(layers(&store), 1);
}

#[test]
fn mounts_contexts_and_downloads_count_too() {
    let store = TestStore::new();
    let mount = store.path("cache-mounts/m-0");
    fs::create_dir_all(mount.join("data/sub")).expect("mount");
    fs::write(mount.join("data/sub/file"), vec![1; MEGABYTE as usize]).expect("file");
    fs::write(mount.join("lock"), "").expect("lock");
    age(&mount.join("lock"), 30);
    for (directory, seconds) in [("contexts", 20), ("listings", 15), ("partial", 10)] {
        let file = store.path(directory).join("c");
        fs::create_dir_all(store.path(directory)).expect("directory");
        fs::write(&file, vec![1; MEGABYTE as usize]).expect("file");
        age(&file, seconds);
    }
    assert!((4 * MEGABYTE..5 * MEGABYTE).contains(&store.cache_usage().expect("usage").total()));
    let held = File::open(mount.join("lock")).expect("lock");
    held.lock_shared().expect("lock");
    let other = |item: &CacheItem| !matches!(item.kind, CacheItemKind::Listing(_));
    assert_eq!(prune(&store, 0, &other), ["Context(\"c\")", "Download(\"c\")"]);
    drop(held);
    let pruned = store.prune_cache(&CachePrune { choose: &|_| true, keep: 0, sweep: SweepOptions::default() });
    assert!(pruned.expect("prune").swept.bytes >= 2 * MEGABYTE);
    assert!(!mount.exists() && !store.path("listings/c").exists());
}

#[test]
fn what_another_process_uses_stays_and_the_rest_goes() {
    let store = TestStore::new();
    let used = step(&store, "used", (&Stack::default(), 9));
    step(&store, "on it", (&used, 99));
    step(&store, "other", (&Stack::default(), 1));
    let other = store.reopened();
    assert!(other.record(&key("used")).expect("look-up").is_some());
    assert_eq!(prune(&store, 1, &|_| true), ["on it", "other"]);
    assert_eq!(layers(&store), 1);
    assert!(store.is_cache_within(2 * MEGABYTE, 0) && !store.is_cache_within(MEGABYTE / 2, 0), "what is left counts");
    drop(other);
    assert_eq!(prune(&store, 1, &|_| true), ["used"]);
    assert_eq!(layers(&store), 0);
}

#[test]
fn a_record_that_was_removed_meanwhile_is_a_miss() {
    let store = TestStore::new();
    step(&store, "a", (&Stack::default(), 9));
    let layer = store.record(&key("a")).expect("look-up").expect("hit").layer.expect("layer");
    store.remove_record(&key("a")).expect("remove");
    assert!(store.layer(&layer).is_ok());
    assert!(store.record(&key("a")).expect("look-up").is_none());
}

#[test]
fn images_that_lost_their_name_belong_to_the_budget() {
    let store = TestStore::new();
    let app: crate::oci::Reference = "app".parse().expect("name");
    let mut images = Vec::new();
    for at in 0..4 {
        let stack = step(&store, &format!("step {at}"), (&Stack::default(), 100 - 20 * at));
        store.layer(&stack.layers()[0]).expect("layer").diff_id().expect("diff id");
        images.push(store.add_image_on(stack.layers()));
        store.tag(&app, &images[at as usize], None).expect("tag");
    }
    let lost = store.path("left").join(images[0].digest().hex());
    age(&lost, 81);
    fs::create_dir_all(store.path("containers/c")).expect("container");
    let held = store.image(&images[1]).expect("image").layers[0].to_string();
    fs::write(store.path("containers/c/layers"), held + "\n").expect("container");
    // The image that has the name and the one of the container cost the cache nothing.
    let total = store.cache_usage().expect("usage").total();
    assert!((2 * MEGABYTE..3 * MEGABYTE).contains(&total), "{total}");
    let other = store.reopened();
    let all = CachePrune { choose: &|_| true, keep: total - 1, sweep: SweepOptions::default() };
    let pruned: Vec<_> = other.prune_cache(&all).expect("prune").items.iter().map(name).collect();
    assert!(pruned.is_empty(), "who made the images may name them yet, and has their layers: {pruned:?}");
    let store = store.restarted();
    assert_eq!(
        prune(&store, total - 1, &|_| true),
        ["step 0".to_owned(), format!("{:?}", CacheItemKind::Image(images[0]))]
    );
    assert!(!lost.exists() && store.image(&images[0]).is_err());
    assert_eq!(layers(&store), 3);
    assert_eq!(prune(&store, 1, &|_| true), ["step 2".to_owned(), format!("{:?}", CacheItemKind::Image(images[2]))]);
    assert!(store.image(&images[1]).is_ok() && store.image(&images[3]).is_ok());
    assert_eq!(layers(&store), 2);
}
