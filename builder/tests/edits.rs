//! A directory that is copied again and again while it changes: each time the layer must be the one of a whole copy.

mod common;

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::time::{Duration, UNIX_EPOCH};

use common::{Site, can_run};
use dhow_builder::CacheUse;
use dhow_layer_store::oci::ImageId;
use dhow_layer_store::{SnapshotterChoice, Store, StoreOptions};

const DOCKERFILE: &str = "FROM busybox\nCOPY . /app/\n";

/// Numbers that look like chance and are the same each time (an LCG of Knuth's).
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

fn site() -> Site {
    let site = Site::new();
    for file in 0..60 {
        site.write(&format!("d{}/e{}/f{file}", file % 4, file % 3), format!("{file}"));
    }
    site.symlink("d0", "link");
    site
}

/// Something that people do to their files.
fn edit(site: &Site, chance: &mut Chance, round: usize) {
    let path = |name: String| site.context.path().join(name);
    // A file with several names is never kept; it goes again, so that others are.
    let _ = fs::remove_file(path("hard".to_owned()));
    let file = format!("d{}/e{}/f{}", chance.below(4), chance.below(3), chance.below(60));
    let at = path(file.clone());
    match chance.below(12) {
        0 if at.is_file() => fs::remove_file(&at).unwrap(),
        1 if at.is_file() => site.chmod(&file, 0o600 + chance.below(0o100) as u32),
        2 if at.is_file() => {
            File::open(&at).unwrap().set_modified(UNIX_EPOCH + Duration::from_secs(chance.below(1 << 30))).unwrap()
        }
        3 if at.is_file() => {
            fs::remove_file(&at).unwrap();
            symlink(format!("to{round}"), &at).unwrap();
        }
        4 => {
            let link = path("link".to_owned());
            let _ = fs::remove_file(&link);
            symlink(format!("d{}", chance.below(4)), link).unwrap();
        }
        5 => drop(site.write(&format!("new{round}/deep/file"), "x")),
        6 => site.chmod(&format!("d{}", chance.below(4)), 0o700 + chance.below(0o100) as u32),
        7 if at.is_file() => {
            fs::remove_file(&at).unwrap();
            fs::create_dir(&at).unwrap();
        }
        8 if at.is_file() => drop(fs::hard_link(&at, path("hard".to_owned()))),
        _ => {}
    }
    // And always another content, so that no earlier build is hit.
    site.write(&format!("d{}/e{}/g", chance.below(4), chance.below(3)), format!("round {round}"));
}

/// The diff id of the layer that the copy made.
fn copied(site: &Site, image: &ImageId) -> String {
    site.config(image).rootfs.diff_ids.last().unwrap().to_string()
}

fn parts(site: &Site, image: &ImageId) -> usize {
    let layers = site.store.image(image).unwrap().layers;
    site.store.layer(layers.last().unwrap()).unwrap().parts().unwrap().len()
}

#[test]
fn what_is_copied_bit_by_bit_is_what_is_copied_at_once() {
    if !can_run() {
        return;
    }
    let (mut site, mut chance, mut piled) = (site(), Chance(7), 0);
    for round in 0..40 {
        edit(&site, &mut chance, round);
        site.cache = CacheUse::Use;
        let bit_by_bit = site.build(DOCKERFILE);
        piled += usize::from(parts(&site, &bit_by_bit) > 1);
        site.cache = CacheUse::Ignore;
        let at_once = site.build(DOCKERFILE);
        assert_eq!(copied(&site, &bit_by_bit), copied(&site, &at_once), "round {round}");
        assert_eq!(site.files(&bit_by_bit, "app"), site.files(&at_once, "app"), "round {round}");
        assert_eq!(parts(&site, &at_once), 1);
    }
    assert!(piled > 12, "only {piled} layers lie on others");
}

#[test]
fn layers_that_lie_on_others_keep_them_and_are_read_in_every_way() {
    if !can_run() {
        return;
    }
    let site = site();
    site.build(DOCKERFILE);
    site.write("d1/e1/f1", "another");
    let image = site.build(DOCKERFILE);
    assert_eq!(parts(&site, &image), 2);
    let (expected, files) = (copied(&site, &image), site.files(&image, "app"));

    // Nobody but the image names the layer below; a sweep keeps it.
    for listed in site.store.records().unwrap() {
        site.store.remove_record(&listed.key).unwrap();
    }
    site.store.sweep(dhow_layer_store::SweepOptions::default()).unwrap();
    assert_eq!(site.files(&image, "app"), files);

    // A store that may not mount sees the same, and packs the same.
    let options = StoreOptions { snapshotter: SnapshotterChoice::Copy, ..site.store.options() };
    let store = Store::open(site.store_dir.path(), options).unwrap();
    let layers = store.image(&image).unwrap().layers;
    let layer = store.layer(layers.last().unwrap()).unwrap();
    let mut tar = layer.tar().unwrap();
    let mut hash = dhow_layer_store::oci::DigestWriter::new(std::io::sink());
    std::io::copy(&mut tar, &mut hash).unwrap();
    assert_eq!(hash.finish().1.to_string(), expected);
}
