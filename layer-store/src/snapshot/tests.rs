//! Steps in trees of both forms: the layers must say the same, and what is stacked must show what the step left.

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::overlay::{self, Durability, Upper};
use super::{ContainerTree, SnapshotRootfs, make_dir};
use crate::options::{SnapshotterChoice, StoreOptions};
use crate::root::{FileKind, Metadata, Ownership, Root};
use crate::tarball::TarReader;
use crate::test_skip::skip;
use crate::{LayerId, Stack, Store};

/// A store of its own for each form of tree; `None` where this user may not mount.
fn store(choice: SnapshotterChoice) -> Option<(tempfile::TempDir, Store)> {
    let directory = tempfile::tempdir().unwrap();
    let options = StoreOptions { ownership: Ownership::OnDisk, snapshotter: choice };
    let store = Store::open(directory.path(), options).unwrap();
    match store.prepare(&Stack::default()) {
        Err(error) => {
            skip(format!("{choice:?} trees cannot be made: {error}: {:?}", std::error::Error::source(&error)));
            None
        }
        Ok(_) => Some((directory, store)),
    }
}

/// The paths of a layer's tar, and its diff id.
fn describe(store: &Store, id: &LayerId) -> (Vec<String>, String) {
    let layer = store.layer(id).unwrap();
    let mut reader = TarReader::new(layer.tar().unwrap());
    let paths = std::iter::from_fn(|| reader.next_entry().unwrap());
    let paths = paths.map(|entry| String::from_utf8_lossy(&entry.path).into_owned()).collect();
    (paths, layer.diff_id().unwrap().to_string())
}

/// What `stack` shows: each path with its metadata and content. Links and inode numbers differ between forms.
fn tree_of(store: &Store, stack: &Stack) -> Vec<String> {
    let view = store.view(stack).unwrap();
    let mut found = Vec::new();
    let mut todo = vec![PathBuf::new()];
    while let Some(path) = todo.pop() {
        let root = view.root();
        let metadata = root.stat(&path).unwrap().unwrap();
        let content = match metadata.kind {
            FileKind::Directory => {
                todo.extend(root.read_dir(&path).unwrap().into_iter().map(|name| path.join(name)));
                String::new()
            }
            FileKind::Regular => std::io::read_to_string(root.open_file(&path).unwrap()).unwrap(),
            FileKind::Symlink => root.read_link(&path).unwrap().display().to_string(),
            _ => String::new(),
        };
        let Metadata { kind, mode, uid, gid, mtime, .. } = metadata;
        let xattrs = root.xattrs(&path).unwrap();
        // A layer has no entry for the root, so that its time does not travel.
        let seconds = if path.as_os_str().is_empty() { 0 } else { mtime.seconds };
        found.push(format!("{} {kind:?} {mode:o} {uid}:{gid} {seconds} {xattrs:?} {content}", path.display()));
    }
    found.sort();
    found
}

/// Runs shell scripts as steps on top of each other, in a tree mounted nowhere.
fn run(store: &Store, scripts: &[&str]) -> Stack {
    let mut stack = Stack::default();
    for script in scripts {
        let snapshot = store.prepare(&stack).unwrap();
        let path = match snapshot.rootfs().unwrap() {
            SnapshotRootfs::Dir(path) => path,
            SnapshotRootfs::Mount(_) => {
                let fd = std::os::fd::AsRawFd::as_raw_fd(&std::os::fd::AsFd::as_fd(snapshot.root()));
                PathBuf::from(format!("/proc/{}/fd/{fd}", std::process::id()))
            }
        };
        let output = Command::new("sh").args(["-euc", script]).current_dir(path).output().unwrap();
        assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
        stack = stack.with(snapshot.commit().unwrap().id().clone());
    }
    stack
}

const BASE: &str = "mkdir -p etc/conf.d usr/bin empty; echo a > etc/a; echo b > etc/b; echo c > etc/conf.d/c; \
    echo prog > usr/bin/prog; ln usr/bin/prog usr/bin/twin; ln -s a etc/link; chmod 1777 empty; chmod 4755 usr/bin/prog; \
    find . -exec touch -h -d 2020-01-02T03:04:05.678 {} +";

/// What a step does, and the paths of the layer that it leaves.
const STEPS: &[(&str, &[&str])] = &[
    ("true", &[]),
    ("echo new > etc/new", &["etc", "etc/new"]),
    ("rm etc/a", &["etc", "etc/.wh.a"]),
    ("rm -r etc", &[".wh.etc"]),
    ("touch -r etc/a t; printf 'a\\n' > etc/a; touch -r t etc/a; rm t", &[]),
    ("chmod 600 etc/b; chmod 644 etc/b; touch -r etc/a etc/b", &[]),
    ("chown 0:0 etc/conf.d/c etc/link", &[]),
    ("echo more >> etc/conf.d/c", &["etc", "etc/conf.d", "etc/conf.d/c"]),
    ("rm etc/a; mkdir etc/a; echo x > etc/a/x", &["etc", "etc/a", "etc/a/x"]),
    ("rm -r etc/conf.d; echo file > etc/conf.d", &["etc", "etc/conf.d"]),
    ("rm -r etc/conf.d; ln -s b etc/conf.d", &["etc", "etc/conf.d"]),
    (
        "rm -r etc/conf.d; mkdir etc/conf.d; echo d > etc/conf.d/d",
        &["etc", "etc/conf.d", "etc/conf.d/.wh.c", "etc/conf.d/d"],
    ),
    ("mkdir -p n/e/w; touch n/e/w/f", &["n", "n/e", "n/e/w", "n/e/w/f"]),
    ("mkdir n; touch n/f; rm -r n", &[]),
    ("ln etc/a etc/z", &["etc", "etc/a", "etc/z"]),
    ("ln etc/b etc/y; rm etc/y; touch -r usr etc", &[]),
    ("mv etc other", &[".wh.etc", "other", "other/a", "other/b", "other/conf.d", "other/conf.d/c", "other/link"]),
    ("mv etc/conf.d t; mv t etc/conf.d; touch -r usr etc", &[]),
    ("chmod 700 empty", &["empty"]),
    ("mkfifo p; mknod tty c 5 0; touch 'sp ace'", &["p", "sp ace", "tty"]),
    ("cp --sparse=always /dev/null s; truncate -s 3M s", &["s"]),
    ("touch -h -d 2021-01-01 etc/link", &["etc/link"]),
];

#[test]
fn both_forms_give_the_layer_that_the_step_means() {
    if !rustix::process::geteuid().is_root() {
        return skip("devices and owners need root");
    }
    let stores: Vec<_> = [SnapshotterChoice::Overlay, SnapshotterChoice::Copy].into_iter().filter_map(store).collect();
    for (script, expected) in STEPS {
        let fixed = format!("{script}; find . -newermt '10 minutes ago' -exec touch -h -d 2022-02-02 {{}} +");
        let results = stores.iter().map(|(_, store)| {
            let stack = run(store, &[BASE, &fixed, "true"]);
            let (paths, diff_id) = describe(store, &stack.layers()[1]);
            // The parents of what changed are there for their time only.
            let paths: Vec<_> = paths.into_iter().filter(|path| path != "etc" || expected.contains(&"etc")).collect();
            assert_eq!(paths, *expected, "{script} {:?}", store.options());
            assert!(store.layer(&stack.layers()[2]).unwrap().is_empty().unwrap(), "{script}");
            (diff_id, tree_of(store, &stack))
        });
        let results: Vec<_> = results.collect();
        if let [left, right] = &results[..] {
            assert_eq!(left.1, right.1, "{script}: the trees differ");
            assert_eq!(left.0, right.0, "{script}: the layers differ");
        }
    }
}

#[test]
fn a_view_of_several_layers_keeps_hard_links() {
    for choice in [SnapshotterChoice::Overlay, SnapshotterChoice::Copy] {
        let Some((_dir, store)) = store(choice) else { continue };
        let view = store.view(&run(&store, &[BASE, "echo new > etc/new"])).unwrap();
        let file = |path: &str| view.root().stat(Path::new(path)).unwrap().unwrap().id;
        assert_eq!(file("usr/bin/prog"), file("usr/bin/twin"), "{choice:?}");
        assert_ne!(file("etc/a"), file("etc/b"), "{choice:?}");
    }
}

#[test]
fn a_layer_shows_the_same_after_a_round_trip_as_tar() {
    let Some((_directory, source)) = store(SnapshotterChoice::Automatic) else { return };
    let Some((_directory, target)) = store(SnapshotterChoice::Automatic) else { return };
    for (script, _) in STEPS {
        let stack = run(&source, &[BASE, script]);
        let mut copied = Stack::default();
        for id in stack.layers() {
            let layer = source.layer(id).unwrap();
            let blob = layer.compressed(crate::oci::Compression::Gzip).unwrap();
            let mut writer = target.blob_writer().unwrap();
            writer.write_all(&source.read_blob(&blob).unwrap()).unwrap();
            writer.commit_expecting(&blob).unwrap();
            let layer = target.add_blob_layer(layer.diff_id().unwrap(), blob).unwrap();
            copied = copied.with(layer.id().clone());
        }
        assert_eq!(tree_of(&source, &stack), tree_of(&target, &copied), "{script}");
    }
}

#[test]
fn layers_whose_blob_lies_are_refused() {
    let Some((_directory, store)) = store(SnapshotterChoice::Automatic) else { return };
    let honest = run(&store, &["echo a > a"]).layers()[0].clone();
    let blob = store.layer(&honest).unwrap().compressed(crate::oci::Compression::Zstd).unwrap();
    let wrong = crate::oci::DiffId(crate::oci::Digest::of(b"other"));
    let layer = store.add_blob_layer(wrong, blob).unwrap();
    for _ in 0..2 {
        let error = layer.fs().unwrap_err();
        assert!(matches!(error, crate::Error::DigestMismatch { .. }), "{error}");
        assert!(!layer.is_unpacked());
    }
}

/// The layer in a store that is opened after the machine was started again, or so it looks.
fn reboot(layer: &crate::Layer) -> crate::Layer {
    // The marker is shared with other layers.
    fs::remove_file(layer.path().join("unsynced")).unwrap();
    fs::write(layer.path().join("unsynced"), "another boot").unwrap();
    let store = crate::Store::open(layer.store().root(), layer.store().options()).unwrap();
    store.layer(layer.id()).unwrap()
}

#[test]
fn after_a_power_failure_only_whole_layers_are_used() {
    let Some((_directory, store)) = store(SnapshotterChoice::Automatic) else { return };
    let layer = |text: &str| store.layer(&run(&store, &[&format!("echo {text} > a")]).layers()[0]).unwrap();
    let unknown = layer("unknown");
    let unknown = reboot(&unknown);
    assert!(!unknown.survived().unwrap());
    assert!(matches!(unknown.fs(), Err(crate::Error::LayerLost(_))));

    let whole = layer("whole");
    whole.diff_id().unwrap();
    let whole = reboot(&whole);
    assert!(whole.survived().unwrap());
    assert!(!whole.path().join("unsynced").exists());

    let damaged = layer("damaged");
    damaged.diff_id().unwrap();
    fs::write(damaged.path().join("fs/a"), "").unwrap();
    let damaged = reboot(&damaged);
    assert!(!damaged.survived().unwrap());

    let in_a_blob = layer("blob");
    in_a_blob.compressed(crate::oci::Compression::Gzip).unwrap();
    fs::write(in_a_blob.path().join("fs/a"), "").unwrap();
    let in_a_blob = reboot(&in_a_blob);
    assert!(in_a_blob.survived().unwrap());
    assert_eq!(fs::read_to_string(in_a_blob.fs().unwrap().join("a")).unwrap(), "blob\n");
}

#[test]
fn many_threads_unpack_a_layer_once() {
    let Some((_directory, source)) = store(SnapshotterChoice::Automatic) else { return };
    let built = run(&source, &["for i in 1 2 3 4 5 6 7 8 9; do echo $i > f$i; done"]);
    let layer = source.layer(&built.layers()[0]).unwrap();
    let blob = layer.compressed(crate::oci::Compression::Gzip).unwrap();
    let (directory, target) = store(SnapshotterChoice::Automatic).unwrap();
    target.put_blob(blob.media_type.clone(), &source.read_blob(&blob).unwrap()).unwrap();
    let layer = target.add_blob_layer(layer.diff_id().unwrap(), blob).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| assert_eq!(fs::read_dir(layer.fs().unwrap()).unwrap().count(), 9));
        }
    });
    drop(directory);
}

#[test]
fn a_dropped_snapshot_leaves_nothing() {
    let Some((directory, store)) = store(SnapshotterChoice::Automatic) else { return };
    let snapshot = store.prepare(&Stack::default()).unwrap();
    snapshot.root().create_file(Path::new("file"), 0o644).unwrap();
    drop(snapshot);
    assert_eq!(fs::read_dir(directory.path().join("layers")).unwrap().count(), 0);
    assert_eq!(fs::read_dir(store.staging_area().unwrap()).unwrap().count(), 0);
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!mounts.contains(&directory.path().display().to_string()), "{mounts}");
}

#[test]
fn overlays_take_hundreds_of_layers_with_long_paths() {
    let directory = tempfile::tempdir().unwrap();
    let long = directory.path().join("x".repeat(200)).join("y,:\\".repeat(20));
    fs::create_dir_all(&long).unwrap();
    let lowers: Vec<_> = (0..200).map(|index| long.join(format!("{index:03}"))).collect();
    for (index, lower) in lowers.iter().enumerate() {
        make_dir(lower).unwrap();
        fs::write(lower.join("top"), index.to_string()).unwrap();
    }
    let (upper, work) = (long.join("upper"), long.join("work"));
    make_dir(&upper).unwrap();
    make_dir(&work).unwrap();
    let upper = Upper { upper: &upper, work: &work, durability: Durability::Kept };
    let mount = match overlay::mount(&lowers, Some(upper), directory.path()) {
        Err(error) => return skip(format!("no overlay: {error}: {:?}", std::error::Error::source(&error))),
        Ok(mount) => mount,
    };
    let root = Root::from_fd(overlay::open_root(&mount).unwrap());
    let text = std::io::read_to_string(root.open_file(Path::new("top")).unwrap()).unwrap();
    assert_eq!(text, "199");
    let too_many = vec![long; 501];
    assert!(matches!(overlay::mount(&too_many, None, directory.path()), Err(crate::Error::TooManyLayers(501))));
}

#[test]
fn a_container_finds_its_files_again() {
    for choice in [SnapshotterChoice::Overlay, SnapshotterChoice::Copy] {
        let Some((directory, store)) = store(choice) else { continue };
        let stack = run(&store, &["echo a > a; echo b > b"]);
        let container = directory.path().join("containers/c");
        fs::create_dir(&container).unwrap();
        let names = |tree: &ContainerTree| tree.root().read_dir(Path::new("/")).unwrap();
        let tree = store.container_tree(&container, &stack).unwrap();
        assert_eq!(names(&tree), ["a", "b"], "{choice:?}");
        tree.root().remove_all(Path::new("a")).unwrap();
        tree.root().create_file(Path::new("c"), 0o644).unwrap();
        drop(tree);
        for _ in 0..2 {
            let tree = store.container_tree(&container, &stack).unwrap();
            assert_eq!(names(&tree), ["b", "c"], "{choice:?}");
        }
    }
}

#[test]
fn names_of_any_bytes_pass_through() {
    let Some((_directory, store)) = store(SnapshotterChoice::Automatic) else { return };
    let snapshot = store.prepare(&Stack::default()).unwrap();
    let name = Path::new(OsStr::from_bytes(b"a\xff\n"));
    snapshot.root().create_file(name, 0o644).unwrap();
    let stack = Stack::default().with(snapshot.commit().unwrap().id().clone());
    assert_eq!(store.view(&stack).unwrap().root().read_dir(Path::new("/")).unwrap(), [name.as_os_str()]);
}
