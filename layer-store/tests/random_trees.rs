//! Random trees and random steps: what is packed comes back as it was, and an overlay and a copied tree say the same.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use dhow_layer_store::{
    EntryKind, FileKind, Ownership, Root, SnapshotterChoice, Stack, Store, StoreOptions, TarEntry, TarReader,
    TarWriter, Timestamp, Whiteouts, unpack,
};
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop, prop_oneof};
use proptest::{prop_assert_eq, proptest};

/// What happens to a path in a step.
#[derive(Debug, Clone)]
enum Edit {
    Write(PathBuf, Vec<u8>),
    Mkdir(PathBuf),
    Symlink(PathBuf, PathBuf),
    HardLink(PathBuf, PathBuf),
    Remove(PathBuf),
    Mode(PathBuf, u32),
    Owner(PathBuf, u32),
    Rename(PathBuf, PathBuf),
    Xattr(PathBuf, Vec<u8>),
    /// Opened for writing, but left as it is.
    Touch(PathBuf),
}

/// Few names, so that edits meet.
fn path() -> impl Strategy<Value = PathBuf> {
    prop::collection::vec(prop::sample::select(&["a", "b", "c", "d"][..]), 1..4)
        .prop_map(|names| names.iter().collect())
}

fn edit() -> impl Strategy<Value = Edit> {
    let data = prop::collection::vec(any::<u8>(), 0..40);
    prop_oneof![
        3 => (path(), data.clone()).prop_map(|(path, data)| Edit::Write(path, data)),
        3 => path().prop_map(Edit::Mkdir),
        1 => (path(), path()).prop_map(|(path, to)| Edit::Symlink(path, to)),
        2 => (path(), path()).prop_map(|(path, from)| Edit::HardLink(path, from)),
        3 => path().prop_map(Edit::Remove),
        1 => (path(), prop::sample::select(&[0o600, 0o755, 0o4711, 0o2750][..])).prop_map(|(path, mode)| Edit::Mode(path, mode)),
        1 => (path(), 0_u32..3).prop_map(|(path, owner)| Edit::Owner(path, owner)),
        2 => (path(), path()).prop_map(|(path, to)| Edit::Rename(path, to)),
        1 => (path(), data).prop_map(|(path, value)| Edit::Xattr(path, value)),
        1 => path().prop_map(Edit::Touch),
    ]
}

/// Applies an edit where it can be; that one fails says the same on both sides, which the caller compares.
fn apply(root: &Root, edit: &Edit) -> bool {
    let is = |path: &Path, kind: FileKind| root.stat(path).ok().flatten().is_some_and(|found| found.kind == kind);
    let exists = |path: &Path| root.stat(path).ok().flatten().is_some();
    match edit {
        Edit::Write(path, data) => {
            is(path, FileKind::Regular) && root.remove_all(path).is_err()
                || root.create_file(path, 0o644).map(|mut file| file.write_all(data).unwrap()).is_ok()
        }
        Edit::Mkdir(path) => root.create_dir(path, 0o755).is_ok(),
        Edit::Symlink(path, to) => root.symlink(to, path).is_ok(),
        Edit::HardLink(path, from) => is(from, FileKind::Regular) && root.hard_link(from, path).is_ok(),
        Edit::Remove(path) => exists(path) && root.remove_all(path).is_ok(),
        Edit::Mode(path, mode) => !is(path, FileKind::Symlink) && root.set_mode(path, *mode).is_ok(),
        Edit::Owner(path, owner) => root.set_owner(path, *owner, *owner).is_ok(),
        // The kernel refuses to rename directories of lower layers in an overlay; programs then copy.
        Edit::Rename(path, to) => is(path, FileKind::Regular) && root.rename(path, to).is_ok(),
        Edit::Xattr(path, value) => is(path, FileKind::Regular) && root.set_xattr(path, b"user.note", value).is_ok(),
        Edit::Touch(path) => {
            let before = root.stat(path).ok().flatten();
            before.is_some_and(|before| root.set_mtime(path, before.mtime).is_ok())
        }
    }
}

/// Gives all that a step has touched the same time, as two runs are never at the same time.
fn fix_times(root: &Root, path: &Path) {
    for name in root.read_dir(path).unwrap() {
        let below = path.join(name);
        if root.stat(&below).unwrap().unwrap().kind == FileKind::Directory {
            fix_times(root, &below);
        }
        if root.stat(&below).unwrap().unwrap().mtime.seconds > 1_000_000_000 {
            root.set_mtime(&below, Timestamp { seconds: 77, nanoseconds: 5 }).unwrap();
        }
    }
}

fn store(snapshotter: SnapshotterChoice) -> (tempfile::TempDir, Store) {
    let directory = tempfile::tempdir().unwrap();
    let options = StoreOptions { ownership: Ownership::OnDisk, snapshotter };
    let store = Store::open(directory.path(), options).unwrap();
    (directory, store)
}

/// Which edits of a step were possible, and its layer's tar.
type Built = (Vec<bool>, Vec<u8>);

/// Runs the steps; returns for each what was possible in it and its layer's tar.
fn build(store: &Store, steps: &[Vec<Edit>]) -> (Stack, Vec<Built>) {
    let mut stack = Stack::default();
    let mut layers = Vec::new();
    for step in steps {
        let snapshot = store.prepare(&stack).unwrap();
        let done = step.iter().map(|edit| apply(snapshot.root(), edit)).collect();
        fix_times(snapshot.root(), Path::new("/"));
        let layer = snapshot.commit().unwrap();
        let mut tar = Vec::new();
        layer.tar().unwrap().read_to_end(&mut tar).unwrap();
        layers.push((done, tar));
        stack = stack.with(layer.id().clone());
    }
    (stack, layers)
}

/// The paths of a tar with kind, owner and content, for messages that can be read.
fn listing(tar: &[u8]) -> Vec<String> {
    let mut reader = TarReader::new(tar);
    let mut found = Vec::new();
    while let Some(entry) = reader.next_entry().unwrap() {
        let mut data = Vec::new();
        reader.read_to_end(&mut data).unwrap();
        found.push(format!("{entry:?} {data:?}"));
    }
    found
}

/// Applies layers as the specification says, on a map of paths: what Docker's way of unpacking would leave.
fn flatten(tars: &[Vec<u8>]) -> BTreeMap<Vec<u8>, String> {
    let mut tree: BTreeMap<Vec<u8>, String> = BTreeMap::new();
    for tar in tars {
        let mut reader = TarReader::new(&tar[..]);
        let mut links: BTreeMap<Vec<u8>, String> = BTreeMap::new();
        while let Some(entry) = reader.next_entry().unwrap() {
            let mut data = Vec::new();
            reader.read_to_end(&mut data).unwrap();
            let (parent, name) = match entry.path.iter().rposition(|byte| *byte == b'/') {
                Some(slash) => entry.path.split_at(slash + 1),
                None => (&b""[..], &entry.path[..]),
            };
            assert_ne!(name, b".wh..wh..opq", "commits write explicit whiteouts");
            if let Some(hidden) = name.strip_prefix(b".wh.") {
                remove(&mut tree, &[parent, hidden].concat());
                continue;
            }
            if entry.kind != EntryKind::Directory {
                remove(&mut tree, &entry.path);
            }
            let text = match &entry.kind {
                EntryKind::HardLink(to) => links[to].clone(),
                kind => format!("{kind:?} {:o} {}:{} {:?} {data:?}", entry.mode, entry.uid, entry.gid, entry.xattrs),
            };
            links.insert(entry.path.clone(), text.clone());
            tree.insert(entry.path, text);
        }
    }
    tree
}

fn remove(tree: &mut BTreeMap<Vec<u8>, String>, path: &[u8]) {
    let below = [path, b"/"].concat();
    tree.retain(|known, _| known != path && !known.starts_with(&below));
}

/// What a merged tree shows, in the words of [`flatten`].
fn shown(root: &Root) -> BTreeMap<Vec<u8>, String> {
    let mut found = BTreeMap::new();
    let mut todo = vec![PathBuf::new()];
    while let Some(path) = todo.pop() {
        for name in root.read_dir(&path).unwrap() {
            let below = path.join(name);
            let metadata = root.stat(&below).unwrap().unwrap();
            let mut data = Vec::new();
            let kind = match metadata.kind {
                FileKind::Directory => {
                    todo.push(below.clone());
                    EntryKind::Directory
                }
                FileKind::Symlink => {
                    EntryKind::Symlink(root.read_link(&below).unwrap().into_os_string().into_encoded_bytes())
                }
                _ => {
                    root.open_file(&below).unwrap().read_to_end(&mut data).unwrap();
                    EntryKind::Regular
                }
            };
            let xattrs = root.xattrs(&below).unwrap();
            let text = format!("{kind:?} {:o} {}:{} {xattrs:?} {data:?}", metadata.mode, metadata.uid, metadata.gid);
            found.insert(below.into_os_string().into_encoded_bytes(), text);
        }
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn overlays_and_copies_make_the_same_layers(
        steps in prop::collection::vec(prop::collection::vec(edit(), 1..14), 1..4)
    ) {
        let (_overlays, overlay) = store(SnapshotterChoice::Automatic);
        let (_copies, copy) = store(SnapshotterChoice::Copy);
        let (stack, layers) = build(&overlay, &steps);
        let (_, copied) = build(&copy, &steps);
        for (layer, copied) in layers.iter().zip(&copied) {
            prop_assert_eq!(&layer.0, &copied.0);
            prop_assert_eq!(listing(&layer.1), listing(&copied.1));
        }
        let tars: Vec<_> = layers.into_iter().map(|(_, tar)| tar).collect();
        prop_assert_eq!(shown(overlay.view(&stack).unwrap().root()), flatten(&tars));
    }

    #[test]
    fn a_tar_of_any_entries_is_read_as_written(
        names in prop::collection::btree_set(prop::collection::vec(1_u8..=255, 1..300), 1..8),
        numbers in (any::<u32>(), any::<u32>(), -9_000_000_000_i64..9_000_000_000_000),
        mode in 0_u32..0o10000,
        value in prop::collection::vec(any::<u8>(), 0..2000),
        kind in prop_oneof![Just(EntryKind::Regular), Just(EntryKind::Directory), Just(EntryKind::Symlink(b"x".repeat(101)))],
    ) {
        let mut writer = TarWriter::new(Vec::new());
        let mut written = Vec::new();
        for mut name in names {
            name.retain(|byte| *byte != b'/');
            name.push(b'n');
            let mut entry = TarEntry::new(name, kind.clone(), mode);
            (entry.uid, entry.gid, entry.mtime.seconds) = numbers;
            entry.size = if kind == EntryKind::Regular { value.len() as u64 } else { 0 };
            entry.xattrs = vec![(b"user.any".to_vec(), value.clone())];
            writer.append(&entry, &mut &value[..]).unwrap();
            written.push(entry);
        }
        let bytes = writer.finish().unwrap();
        let mut reader = TarReader::new(&bytes[..]);
        for entry in written {
            let found = reader.next_entry().unwrap();
            let mut data = Vec::new();
            reader.read_to_end(&mut data).unwrap();
            prop_assert_eq!(data.len() as u64, entry.size);
            prop_assert_eq!(found, Some(entry));
        }
        prop_assert_eq!(reader.next_entry().unwrap(), None);
    }

    #[test]
    fn no_bytes_make_the_reader_or_unpacker_panic_or_escape(
        noise in prop::collection::vec(any::<u8>(), 0..3000),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        names in prop::collection::vec(path(), 1..6),
    ) {
        let outside = tempfile::tempdir().unwrap();
        fs::create_dir(outside.path().join("root")).unwrap();
        let root = Root::open(&outside.path().join("root")).unwrap();
        let mut writer = TarWriter::new(Vec::new());
        for (index, name) in names.iter().enumerate() {
            let up: Vec<u8> = b"../".repeat(index).into_iter().chain(*b"x").collect();
            let kind = match index % 4 {
                0 => EntryKind::Symlink(up),
                1 => EntryKind::Directory,
                2 => EntryKind::HardLink(up),
                _ => EntryKind::Regular,
            };
            let path = name.as_os_str().as_encoded_bytes().to_vec();
            writer.append(&TarEntry::new(path, kind, 0o755), &mut std::io::empty()).unwrap();
        }
        let mut bytes = writer.finish().unwrap();
        for (index, value) in flips {
            let at = index.index(bytes.len());
            bytes[at] = value;
        }
        for bytes in [&bytes, &noise] {
            // Whether it is taken or refused, nothing may be found outside.
            let _ = unpack(&bytes[..], &root, Whiteouts::Overlay);
            prop_assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
        }
    }
}
