//! Archives that are broken or malicious: nothing outside of the store is touched.

use std::fs;
use std::path::Path;

use tar::{Builder, EntryType, Header};

use crate::bad_build::contents;
use crate::context::{BUSYBOX, context, import_busybox, text};
use crate::dhow::Dhow;
use crate::skip::need;

/// One entry of a hostile tar.
struct Entry {
    name: &'static str,
    kind: EntryType,
    target: &'static str,
}

const fn file(name: &'static str) -> Entry {
    Entry { name, kind: EntryType::Regular, target: "" }
}

const fn link(name: &'static str, kind: EntryType, target: &'static str) -> Entry {
    Entry { name, kind, target }
}

/// Archives that try to leave the root, and have to be refused.
const REFUSED: &[(&str, &[Entry])] = &[
    ("a path with ..", &[file("../escaped")]),
    ("a path with .. inside", &[file("a/../../escaped")]),
    ("a hard link out of the root", &[link("inside", EntryType::Link, "../../../../etc/passwd")]),
    ("a hard link to what is not there", &[link("inside", EntryType::Link, "/etc/nothing")]),
];

/// Archives that go through links: whatever becomes of them, it stays in the root.
const CONTAINED: &[(&str, &[Entry])] = &[
    ("a file through an absolute link", &[link("link", EntryType::Symlink, "/tmp/dhow-escape"), file("link/escaped")]),
    (
        "a file through a climbing link",
        &[link("link", EntryType::Symlink, "../../../../../../tmp/dhow-escape"), file("link/escaped")],
    ),
];

fn write_tar(path: &Path, entries: &[Entry]) {
    let mut builder = Builder::new(fs::File::create(path).expect("creates a tar"));
    for entry in entries {
        let mut header = Header::new_ustar();
        // Set by hand: the crate's own setter refuses `..`.
        let name = entry.name.as_bytes();
        header.as_old_mut().name[..name.len()].copy_from_slice(name);
        let target = entry.target.as_bytes();
        header.as_old_mut().linkname[..target.len()].copy_from_slice(target);
        header.set_entry_type(entry.kind);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_size(if entry.kind == EntryType::Regular { 8 } else { 0 });
        header.set_cksum();
        let content: &[u8] = if entry.kind == EntryType::Regular { b"escaped\n" } else { b"" };
        builder.append(&header, content).expect("appends an entry");
    }
    builder.finish().expect("a whole tar");
}

#[test]
fn a_tar_that_leaves_the_root_is_refused() {
    let dhow = Dhow::new();
    need!(import_busybox(&dhow));
    let before = contents(&dhow.store());
    let folder = context(&dhow, "hostile", &[("Dockerfile", &format!("FROM {BUSYBOX}\nADD hostile.tar /x/\n"))]);
    let tar = folder.join("hostile.tar");
    for (what, entries) in REFUSED {
        write_tar(&tar, entries);
        for arguments in [["import", text(&tar), "hostile"], ["build", "--tag=hostile", text(&folder)]] {
            let error = dhow.fails(arguments);
            let named =
                [entries[0].name, entries[0].target].iter().any(|path| !path.is_empty() && error.contains(path));
            assert!(named, "{what}, {}: neither entry nor target is named:\n{error}", arguments[0]);
        }
    }
    assert_eq!(dhow.ok(["images", "-q", "hostile"]), "");
    assert_eq!(contents(&dhow.store()), before, "the store is as it was");
}

#[test]
fn links_in_a_tar_lead_nowhere_outside() {
    let dhow = Dhow::new();
    need!(import_busybox(&dhow));
    let outside = Path::new("/tmp/dhow-escape");
    fs::create_dir_all(outside).expect("creates a folder");
    let folder =
        context(&dhow, "hostile", &[("Dockerfile", &format!("FROM {BUSYBOX}\nADD hostile.tar /x/\nRUN true\n"))]);
    let tar = folder.join("hostile.tar");
    for (what, entries) in CONTAINED {
        write_tar(&tar, entries);
        dhow.run(["build", "-t", "contained", text(&folder)]);
        dhow.run(["import", text(&tar), "contained-import"]);
        dhow.run(["run", "--rm", "contained-import", "/x"]);
        let escaped = fs::read_dir(outside).expect("a readable folder").count();
        assert_eq!(escaped, 0, "{what}: a file was written outside of the root");
    }
    fs::remove_dir_all(outside).expect("removes the folder");
}

#[test]
fn a_broken_archive_is_refused() {
    let dhow = Dhow::new();
    need!(import_busybox(&dhow));
    let whole = dhow.folder().join("whole.tar");
    dhow.ok(["save", "-o", text(&whole), BUSYBOX]);
    let bytes = fs::read(&whole).expect("the archive");
    let flipped = {
        let mut flipped = bytes.clone();
        let at = flipped.windows(7).position(|w| w == b"welcome").unwrap_or(bytes.len() / 2);
        flipped[at] ^= 0x20;
        flipped
    };
    let cases: &[(&str, &[u8])] = &[
        ("cut in the middle", &bytes[..bytes.len() / 2]),
        ("cut in the first header", &bytes[..100]),
        ("no tar at all", b"this is no archive\n"),
        ("empty", b""),
        ("other bytes in a layer", &flipped),
    ];
    let other = Dhow::new();
    other.ok(["images"]);
    let before = contents(&other.store());
    for (what, bytes) in cases {
        let broken = other.folder().join("broken.tar");
        fs::write(&broken, bytes).expect("writes an archive");
        let error = other.fails(["load", "-i", text(&broken)]);
        assert!(error.contains("broken.tar"), "{what}: the file is not named:\n{error}");
        assert_eq!(other.ok(["images", "-q"]), "", "{what}");
        assert_eq!(contents(&other.store()), before, "{what}: the store is as it was");
    }
}
