//! Processes that are killed at any moment, and a disk that is full: the store stays whole.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use dhow_layer_store::archive::{Event, Selected, load, save};
use dhow_layer_store::oci::{Compression, DiffId, Digest, ImageConfig, ImageId, MediaType, Raw, Reference};
use dhow_layer_store::{Error, Force, ImportOptions, Store, StoreOptions, SweepOptions, import_dir};

/// Names the store that the worker is to work on; without it the worker is not one.
const STORE: &str = "DHOW_TEST_CRASH_STORE";

fn quiet(_: Event<'_>) {}

fn open(directory: &Path) -> Store {
    Store::open(directory, StoreOptions::default()).expect("store")
}

fn name(number: usize) -> Reference {
    format!("r.example/deep/repository/app:{number}").parse().expect("reference")
}

/// Adds the image of `number`: a layer of its own, one that all share, a name.
fn add(store: &Store, number: usize) -> ImageId {
    let own = vec![b'a' + (number % 26) as u8; 50_000 + number];
    let mut config = ImageConfig::default();
    let mut layers = Vec::new();
    for content in [&b"shared"[..], &own] {
        let blob = store.put_blob(MediaType::OciLayer, content).expect("blob");
        let diff_id = DiffId(blob.digest);
        layers.push(store.add_blob_layer(diff_id, blob).expect("layer").id().clone());
        config.rootfs.diff_ids.push(diff_id);
    }
    let config = Raw::create(config).expect("config");
    loop {
        let image = store.add_image(&config, MediaType::OciConfig, &layers, None).expect("image");
        match store.tag(&name(number), &image, None) {
            Ok(()) => return image,
            Err(error) => other_removed_it(error).expect("tag"),
        }
    }
}

/// Imports a small tree, packs it for a push, and unpacks the blob that made.
fn import(store: &Store, number: usize) {
    let tree = tempfile::tempdir().expect("directory");
    fs::write(tree.path().join("file"), number.to_string().repeat(1000)).expect("file");
    let image = import_dir(store, tree.path(), &ImportOptions::default()).expect("import");
    let manifest = store.manifest_for(&image, Compression::Gzip);
    manifest.map(drop).or_else(other_removed_it).expect("manifest");
}

fn selected(number: usize, image: ImageId) -> Selected {
    Selected { names: vec![name(number)], images: vec![image], index: None }
}

/// Work that never ends, on the store that the environment names: adding, naming, removing, sweeping, loading.
#[test]
fn worker() {
    let Some(root) = std::env::var_os(STORE) else { return };
    let mut archive = Vec::new();
    for number in (0..).map(|number: usize| number.wrapping_mul(7) % 10) {
        let store = open(Path::new(&root));
        let image = add(&store, number);
        if number % 5 == 0 {
            import(&store, number);
        }
        if number % 3 == 0 {
            archive.clear();
            let saved = save(&store, &[selected(number + 100, image)], &mut archive, &quiet);
            if let Err(error) = saved {
                other_removed_it(error).expect("save");
                archive.clear();
            }
        } else if !archive.is_empty() {
            load(&store, &archive[..], &quiet).expect("load");
        }
        if number % 2 == 0 {
            let removed = store.remove(&name(number).to_string(), Force::Yes, &[]);
            removed.map(drop).or_else(other_removed_it).expect("remove");
            store.sweep(SweepOptions::default()).expect("sweep");
        }
    }
}

/// There are two workers, with the same images.
fn other_removed_it(error: Error) -> Result<(), Error> {
    if matches!(error, Error::ImageNotFound { .. }) { Ok(()) } else { Err(error) }
}

/// Every name has its image, every image its layers, every layer its blob with the right bytes.
fn check(store: &Store) {
    for (reference, target) in store.references().expect("references") {
        store.image(&target.image).unwrap_or_else(|error| panic!("{reference}: {error}"));
    }
    for image in store.images().expect("images") {
        for id in &image.layers {
            let layer = store.layer(id).expect("layer");
            let blobs = layer.blobs().expect("entry");
            assert!(!blobs.is_empty() || layer.is_unpacked(), "layer {id} has lost its content");
            for blob in blobs {
                let mut reader = store.open_blob(&blob).expect("blob");
                std::io::copy(&mut reader, &mut std::io::sink()).expect("right bytes");
            }
            let problems = store.validate(&image.id).expect("image");
            assert!(problems.is_empty(), "{problems:?}");
            let found = store.layer_by_diff_id(&layer.known_diff_id().expect("entry").expect("diff id"));
            assert!(found.expect("index").is_some());
        }
    }
}

fn start_worker(root: &Path) -> Child {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(["--exact", "worker", "--nocapture"]).env(STORE, root);
    command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("worker")
}

#[test]
fn killed_processes_leave_a_whole_store() {
    let home = tempfile::tempdir().expect("directory");
    let root = home.path().join("store");
    for round in 0..40_u64 {
        let mut workers = [start_worker(&root), start_worker(&root)];
        std::thread::sleep(Duration::from_millis(15 + round * 13 % 97));
        for worker in &mut workers {
            worker.kill().expect("kill");
            worker.wait().expect("wait");
            let mut said = String::new();
            worker.stderr.take().expect("stderr").read_to_string(&mut said).expect("UTF-8");
            assert!(!said.contains("panicked"), "round {round}: {said}");
        }
        check(&open(&root));
    }
    let store = open(&root);
    store.sweep(SweepOptions::default()).expect("sweep");
    check(&store);
    assert!(!store.images().expect("images").is_empty(), "the workers never got anything done");
    drop(store);
    assert_eq!(fs::read_dir(root.join("tmp")).expect("tmp").count(), 0);
}

/// A small file system in memory, unmounted when dropped; `None` where mounting is not allowed.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount() -> Option<Self> {
        let directory = tempfile::tempdir().expect("directory");
        let mut command = Command::new("mount");
        command.args(["-t", "tmpfs", "-o", "size=2m", "tmpfs"]).arg(directory.path()).stderr(Stdio::null());
        if command.status().is_ok_and(|status| status.success()) {
            return Some(Self(directory));
        }
        #[allow(clippy::print_stderr)]
        {
            eprintln!("SKIP: no right to mount a small file system");
        }
        None
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg(self.0.path()).status();
        assert!(unmounted.is_ok_and(|status| status.success()), "unmount");
    }
}

fn files(root: &Path) -> Vec<String> {
    let output =
        Command::new("find").arg(root).args(["-type", "f", "-not", "-path", "*/tmp/*"]).output().expect("find");
    let mut files: Vec<_> = String::from_utf8(output.stdout).expect("UTF-8").lines().map(str::to_owned).collect();
    files.sort();
    files
}

#[test]
fn a_full_disk_is_named_and_the_store_is_as_before() {
    let Some(disk) = SmallDisk::mount() else { return };
    let elsewhere = tempfile::tempdir().expect("directory");
    let source = open(elsewhere.path());
    let blob = source.put_blob(MediaType::OciLayer, &vec![7; 4 << 20]).expect("blob");
    let diff_id = DiffId(blob.digest);
    let layer = source.add_blob_layer(diff_id, blob.clone()).expect("layer");
    let mut config = ImageConfig::default();
    config.rootfs.diff_ids.push(diff_id);
    let config = Raw::create(config).expect("config");
    let image = source.add_image(&config, MediaType::OciConfig, &[layer.id().clone()], None).expect("image");
    let archive = elsewhere.path().join("archive.tar");
    save(&source, &[selected(1, image)], &mut File::create(&archive).expect("file"), &quiet).expect("save");

    let store = open(disk.0.path());
    add(&store, 1);
    let before = files(store.root());
    let loaded = load(&store, File::open(&archive).expect("archive"), &quiet);
    check_full(loaded.map(drop), store.root());
    let mut ingest = store.resume_blob(&blob).expect("download");
    let content = vec![7; 4 << 20];
    assert!(std::io::Write::write_all(&mut ingest, &content).is_err());
    drop(ingest);
    fs::remove_file(store.root().join("partial").join(blob.digest.hex())).expect("what came stays, to be resumed");
    check_full(store.put_blob(MediaType::OciLayer, &content).map(drop), store.root());
    assert_eq!(files(store.root()), before);
    check(&store);
    add(&store, 2);
    assert!(!store.has_blob(&Digest::of(&content)));
    drop(store);
}

fn check_full(result: Result<(), Error>, root: &Path) {
    let error = result.expect_err("the disk is too small");
    assert!(error.to_string().contains(&root.display().to_string()), "{error}");
    assert!(error.hint().is_some_and(|hint| hint.contains("disk is full")), "{error}: {:?}", error.hint());
}
