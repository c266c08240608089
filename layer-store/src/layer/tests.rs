//! Trees are packed and unpacked; hostile and damaged tars are refused without a trace outside.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::Path;

use super::{Whiteouts, pack, unpack};
use crate::root::{Device, Root, Timestamp};
use crate::tarball::{EntryKind, TarEntry, TarReader, TarWriter};
use crate::test_skip::skip;
use crate::{Error, Result};

fn tar(entries: &[TarEntry]) -> Vec<u8> {
    let mut writer = TarWriter::new(Vec::new());
    for entry in entries {
        let data = vec![b'x'; usize::try_from(entry.size).unwrap()];
        writer.append(entry, &mut &data[..]).unwrap();
    }
    writer.finish().unwrap()
}

fn file(path: &str) -> TarEntry {
    let mut entry = TarEntry::new(path, EntryKind::Regular, 0o644);
    entry.size = 4;
    entry
}

fn dir(path: &str) -> TarEntry {
    TarEntry::new(path, EntryKind::Directory, 0o755)
}

fn link(path: &str, target: &str) -> TarEntry {
    TarEntry::new(path, EntryKind::Symlink(target.into()), 0o777)
}

fn hard(path: &str, target: &str) -> TarEntry {
    TarEntry::new(path, EntryKind::HardLink(target.into()), 0o644)
}

/// Unpacks into `root` of a directory that holds a file `secret` beside it.
fn unpacked(entries: &[TarEntry], whiteouts: Whiteouts) -> (tempfile::TempDir, Result<()>) {
    let temporary = tempfile::tempdir().unwrap();
    fs::write(temporary.path().join("secret"), "outside").unwrap();
    fs::create_dir(temporary.path().join("root")).unwrap();
    let root = Root::open(&temporary.path().join("root")).unwrap();
    let result = unpack(&tar(entries)[..], &root, whiteouts).map(drop);
    (temporary, result)
}

fn entries_of(root: &Path) -> Vec<TarEntry> {
    let bytes = pack(&Root::open(root).unwrap(), Vec::new()).unwrap();
    let mut reader = TarReader::new(&bytes[..]);
    std::iter::from_fn(|| reader.next_entry().unwrap()).collect()
}

fn paths_of(root: &Path) -> Vec<String> {
    entries_of(root).into_iter().map(|entry| String::from_utf8(entry.path).unwrap()).collect()
}

#[test]
fn nothing_lands_outside_of_the_root() {
    for (entries, refused) in [
        (vec![file("../made")], true),
        (vec![file("a/../../made")], true),
        (vec![hard("made", "../secret")], true),
        (vec![hard("made", "/secret")], true),
        (vec![link("out", ".."), hard("made", "out/secret")], true),
        (vec![file("/made")], false),
        (vec![link("out", "/"), file("out/made")], false),
        (vec![link("out", "../../.."), file("out/made")], false),
        (vec![dir("d"), link("d", ".."), file("d/made")], false),
        (vec![link("secret", "../secret"), file("secret")], false),
        (vec![link("a", ".."), link("a/b", ".."), file("a/b/made")], false),
        (vec![link("out", "../out"), dir("out"), file("out/made")], false),
    ] {
        let (temporary, result) = unpacked(&entries, Whiteouts::Overlay);
        assert_eq!(result.is_err(), refused, "{entries:?}: {result:?}");
        let mut names: Vec<_> =
            fs::read_dir(temporary.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["root", "secret"], "{entries:?}");
        assert_eq!(fs::read_to_string(temporary.path().join("secret")).unwrap(), "outside");
        assert_eq!(fs::metadata(temporary.path().join("secret")).unwrap().nlink(), 1);
    }
}

#[test]
fn entries_that_cannot_be_are_refused_by_name() {
    let whiteout = TarEntry::new("dev", EntryKind::CharDevice(Device { major: 0, minor: 0 }), 0o666);
    for (entries, reason) in [
        (vec![hard("a", "missing")], "which is not there"),
        (vec![file("a"), hard("a", "./a")], "to itself"),
        (vec![dir("d"), hard("a", "d")], "to a directory"),
        (vec![file(".wh.a"), hard("b", "a")], "which is not there"),
        (vec![file(".wh.")], "whiteout of no name"),
        (vec![file(".wh...")], "whiteout of no name"),
        (vec![link("a", "")], "link to nothing"),
        (vec![whiteout], "0:0"),
        (vec![file("./")], "no name"),
    ] {
        let error = unpacked(&entries, Whiteouts::Overlay).1.unwrap_err();
        assert!(matches!(error, Error::InvalidEntry { .. }), "{error:?}");
        assert!(error.to_string().contains(reason), "{error}");
        assert!(error.hint().is_some());
    }
}

#[test]
fn later_entries_replace_earlier_ones_and_directories_merge() {
    let entries = [
        dir("d"),
        file("d/kept"),
        dir("d"),
        file("f"),
        dir("f"),
        file("f/new"),
        dir("g"),
        file("g/gone"),
        link("g", "d"),
        link("l", "d"),
        file("l"),
        file("deep/er/implied"),
    ];
    let (temporary, result) = unpacked(&entries, Whiteouts::Literal);
    result.unwrap();
    let paths = paths_of(&temporary.path().join("root"));
    assert_eq!(paths, ["d", "d/kept", "deep", "deep/er", "deep/er/implied", "f", "f/new", "g", "l"]);
}

#[test]
fn whiteouts_become_overlay_marks_and_come_back() {
    let entries = [
        dir("a"),
        file("a/.wh..wh..opq"),
        file("a/new"),
        file(".wh.gone"),
        // Hides what is below, not what this layer has itself, in either order.
        file("b"),
        file(".wh.b"),
        file(".wh.c"),
        dir("c"),
        dir("d"),
        file("d/x"),
        file(".wh.d"),
        file(".wh.e"),
        file("e/x"),
        file(".wh..wh.plnk"),
    ];
    let (temporary, result) = unpacked(&entries, Whiteouts::Overlay);
    result.unwrap();
    let root = temporary.path().join("root");
    let gone = fs::symlink_metadata(root.join("gone")).unwrap();
    assert!(gone.file_type().is_char_device() && gone.rdev() == 0);
    let expected = [
        ".wh.gone",
        "a",
        "a/.wh..wh..opq",
        "a/new",
        "b",
        "c",
        "c/.wh..wh..opq",
        "d",
        "d/.wh..wh..opq",
        "d/x",
        "e",
        "e/.wh..wh..opq",
        "e/x",
    ];
    assert_eq!(paths_of(&root), expected);
}

#[test]
fn literal_names_stay_but_cannot_be_packed() {
    let (temporary, result) = unpacked(&[file(".wh.a")], Whiteouts::Literal);
    result.unwrap();
    let root = temporary.path().join("root");
    assert!(root.join(".wh.a").is_file());
    let error = pack(&Root::open(&root).unwrap(), std::io::sink()).unwrap_err();
    assert!(matches!(error, Error::NotPackable { .. }), "{error}");
}

#[test]
fn attributes_survive() {
    if !rustix::process::geteuid().is_root() {
        return skip("owners and capabilities need root");
    }
    let capability = b"\x01\x00\x00\x02\x0a\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00".to_vec();
    let mut program = file("usr/bin/program");
    (program.mode, program.uid, program.gid) = (0o6755, 33, 44);
    program.mtime = Timestamp { seconds: -12, nanoseconds: 0 };
    program.xattrs = vec![(b"security.capability".to_vec(), capability), (b"user.note".to_vec(), b"a\nb".to_vec())];
    let mut usr = dir("usr");
    (usr.mode, usr.mtime.seconds) = (0o1777, 1_000_000_000);
    let mut bin = dir("usr/bin");
    bin.mtime.seconds = 1_100_000_000;
    let mut soft = link("usr/soft", "bin/program");
    (soft.uid, soft.mtime.seconds) = (7, 5);
    let mut disk = TarEntry::new("usr/disk", EntryKind::BlockDevice(Device { major: 8, minor: 1 }), 0o660);
    disk.gid = 6;
    let mut pipe = TarEntry::new("usr/pipe", EntryKind::Fifo, 0o622);
    pipe.uid = 1;
    let second = hard("usr/second", "usr/bin/program");
    let (temporary, result) = unpacked(
        &[usr.clone(), bin.clone(), program.clone(), disk.clone(), pipe.clone(), second.clone(), soft.clone()],
        Whiteouts::Overlay,
    );
    result.unwrap();
    let mut link = entries_of(&temporary.path().join("root"));
    let packed_link = link.remove(5);
    assert_eq!(packed_link.path, b"usr/second");
    assert_eq!(packed_link.kind, second.kind);
    assert_eq!(link, [usr, bin, program, disk, pipe, soft]);
}

#[test]
fn sparse_files_keep_their_holes() {
    let temporary = tempfile::tempdir().unwrap();
    let sparse = fs::File::create(temporary.path().join("sparse")).unwrap();
    std::os::unix::fs::FileExt::write_at(&sparse, b"end", (64 << 20) - 3).unwrap();
    let output = std::process::Command::new("tar")
        .args(["--format=gnu", "--sparse", "-cf", "-", "sparse"])
        .current_dir(temporary.path())
        .output();
    let Ok(output) = output else { return skip("no tar program") };
    let target = tempfile::tempdir().unwrap();
    unpack(&output.stdout[..], &Root::open(target.path()).unwrap(), Whiteouts::Literal).unwrap();
    let metadata = fs::metadata(target.path().join("sparse")).unwrap();
    assert_eq!(metadata.len(), 64 << 20);
    assert!(metadata.blocks() < 2048, "{} blocks", metadata.blocks());
    assert!(fs::read(target.path().join("sparse")).unwrap() == fs::read(temporary.path().join("sparse")).unwrap());
}

#[test]
fn the_root_takes_its_own_entry() {
    let mut own = dir("./");
    (own.mode, own.mtime.seconds) = (0o700, 99);
    let (temporary, result) = unpacked(&[own, file("./a")], Whiteouts::Overlay);
    result.unwrap();
    let metadata = fs::metadata(temporary.path().join("root")).unwrap();
    assert_eq!((metadata.permissions().mode() & 0o7777, metadata.mtime()), (0o700, 99));
}
