//! Escapes are tried on a real tree that has something to find outside of its root.

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use super::{FileKind, Ownership, Root, Timestamp};

fn tree() -> (tempfile::TempDir, Root) {
    let temporary = tempfile::tempdir().unwrap();
    let inside = temporary.path().join("root");
    fs::create_dir_all(inside.join("etc/deep")).unwrap();
    fs::write(temporary.path().join("secret"), "outside").unwrap();
    fs::write(inside.join("secret"), "inside").unwrap();
    for (target, link) in [
        ("/secret", "absolute"),
        ("../../../../secret", "climbing"),
        ("/etc", "conf"),
        ("..", "up"),
        ("/missing/dir", "dangling"),
        ("loop", "loop"),
    ] {
        std::os::unix::fs::symlink(target, inside.join(link)).unwrap();
    }
    let root = Root::open(&inside).unwrap();
    (temporary, root)
}

fn read(root: &Root, path: &str) -> String {
    let mut text = String::new();
    root.open_file(Path::new(path)).unwrap().read_to_string(&mut text).unwrap();
    text
}

#[test]
fn every_way_out_leads_back_in() {
    let (_temporary, root) = tree();
    for path in
        ["secret", "/secret", "../secret", "etc/../../secret", "absolute", "climbing", "conf/../secret", "up/up/secret"]
    {
        assert_eq!(read(&root, path), "inside", "{path}");
    }
    assert_eq!(root.resolve(Path::new("conf/deep")).unwrap(), PathBuf::from("etc/deep"));
    assert_eq!(root.resolve(Path::new("up/..")).unwrap(), PathBuf::from(""));
}

#[test]
fn changes_through_links_stay_inside() {
    let (temporary, root) = tree();
    for path in ["../made", "climbing-dir/../made2", "conf/made3"] {
        if let Ok(mut file) = root.create_file(Path::new(path), 0o600) {
            file.write_all(b"x").unwrap();
        }
    }
    root.hard_link(Path::new("../secret"), Path::new("../../linked")).unwrap();
    root.remove_all(Path::new("../secret")).unwrap();
    assert_eq!(fs::read_to_string(temporary.path().join("secret")).unwrap(), "outside");
    let mut names: Vec<_> = fs::read_dir(temporary.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["root", "secret"]);
    assert!(temporary.path().join("root/made").exists());
    assert!(temporary.path().join("root/etc/made3").exists());
    assert_eq!(read(&root, "linked"), "inside");
}

#[test]
fn directories_are_made_through_links_even_dangling_ones() {
    let (temporary, root) = tree();
    let made = root.create_dir_all(Path::new("/conf/a/../b/c"), 0o751).unwrap();
    assert_eq!(made, ["etc/a", "etc/b", "etc/b/c"].map(PathBuf::from));
    let made = root.create_dir_all(Path::new("dangling/x"), 0o755).unwrap();
    assert_eq!(made, ["missing", "missing/dir", "missing/dir/x"].map(PathBuf::from));
    let made = root.create_dir_all(Path::new("../../up/new"), 0o755).unwrap();
    assert_eq!(made, [PathBuf::from("new")]);
    assert_eq!(root.stat(Path::new("etc/b")).unwrap().unwrap().mode, 0o751);
    assert!(root.create_dir_all(Path::new("loop/x"), 0o755).is_err());
    assert!(root.create_dir_all(Path::new("secret/x"), 0o755).is_err());
    assert!(!temporary.path().join("new").exists());
}

#[test]
fn metadata_is_of_the_link_or_of_its_target() {
    let (_temporary, root) = tree();
    assert_eq!(root.stat(Path::new("absolute")).unwrap().unwrap().kind, FileKind::Symlink);
    assert_eq!(root.metadata(Path::new("absolute")).unwrap().unwrap().kind, FileKind::Regular);
    assert_eq!(root.stat(Path::new("nothing")).unwrap(), None);
    assert_eq!(root.metadata(Path::new("dangling")).unwrap(), None);
    assert_eq!(root.stat(Path::new("secret/below")).unwrap(), None);
    assert!(root.metadata(Path::new("loop")).is_err());
    let time = Timestamp { seconds: -5, nanoseconds: 7 };
    root.set_mtime(Path::new("absolute"), time).unwrap();
    assert_eq!(root.stat(Path::new("absolute")).unwrap().unwrap().mtime, time);
    assert!(root.set_mode(Path::new("absolute"), 0o600).is_err());
}

#[test]
fn special_files_are_not_opened() {
    let (_temporary, root) = tree();
    root.mknod(Path::new("pipe"), FileKind::Fifo, 0o644).unwrap();
    for path in ["pipe", "etc", "/"] {
        assert!(root.open_file(Path::new(path)).is_err(), "{path}");
    }
}

#[test]
fn owners_are_recorded_where_only_one_id_exists() {
    let (temporary, root) = tree();
    let root = root.with_ownership(Ownership::Recorded).unwrap();
    let secret = root.stat(Path::new("secret")).unwrap().unwrap();
    assert_eq!((secret.uid, secret.gid), (0, 0), "whoever runs this test");
    let before = fs::metadata(temporary.path().join("root/secret")).unwrap();
    let disk = FileKind::BlockDevice(super::Device { major: 8, minor: 1 });
    root.mknod(Path::new("disk"), disk, 0o640).unwrap();
    for path in ["secret", "etc", "absolute", "disk"] {
        root.set_owner(Path::new(path), 33, 44).unwrap();
        let metadata = root.stat(Path::new(path)).unwrap().unwrap();
        assert_eq!((metadata.uid, metadata.gid), (33, 44), "{path}");
    }
    assert_eq!(root.stat(Path::new("disk")).unwrap().unwrap().kind, disk);
    let after = fs::metadata(temporary.path().join("root/secret")).unwrap();
    use std::os::unix::fs::MetadataExt;
    assert_eq!((before.uid(), before.gid()), (after.uid(), after.gid()));
    assert_eq!(root.xattrs(Path::new("secret")).unwrap(), []);
}
