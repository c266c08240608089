//! The same steps give the same layers at every level of privilege: root, user namespace with one id, with and without
//! mounts. The test runs itself again inside of a user namespace.

#![allow(clippy::print_stderr, clippy::print_stdout, reason = "the inner run reports by printing")]

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use dhow_layer_store::{
    Device, EntryKind, FileKind, Ownership, Root, SnapshotterChoice, Stack, Store, StoreOptions, TarEntry, TarWriter,
    Timestamp, Whiteouts, unpack,
};

/// Says to the inner run which form of tree to use.
const FORM: &str = "DHOW_TEST_TREE_FORM";

const TIME: Timestamp = Timestamp { seconds: 1_600_000_000, nanoseconds: 0 };

/// A root file system with everything that needs rights: owners, setuid, devices, capabilities, closed directories.
fn base() -> Vec<u8> {
    let capability =
        b"\x01\x00\x00\x02\x0a\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00".to_vec();
    let entry = |path: &str, kind: EntryKind, (mode, uid, gid): (u32, u32, u32)| {
        let mut entry = TarEntry::new(path, kind, mode);
        (entry.uid, entry.gid, entry.mtime) = (uid, gid, TIME);
        if entry.kind == EntryKind::Regular {
            entry.size = 5;
        }
        entry
    };
    let mut program = entry("bin/ping", EntryKind::Regular, (0o755, 0, 0));
    program.xattrs = vec![(b"security.capability".to_vec(), capability[..20].to_vec())];
    let entries = [
        entry("bin", EntryKind::Directory, (0o755, 0, 0)),
        program,
        entry("bin/su", EntryKind::Regular, (0o4755, 0, 0)),
        entry("bin/twin", EntryKind::HardLink(b"bin/su".to_vec()), (0o4755, 0, 0)),
        entry("closed", EntryKind::Directory, (0o000, 1, 2)),
        entry("closed/file", EntryKind::Regular, (0o000, 3, 4)),
        entry("dev", EntryKind::Directory, (0o755, 0, 0)),
        entry("dev/null", EntryKind::CharDevice(Device { major: 1, minor: 3 }), (0o666, 0, 0)),
        entry("dev/sda", EntryKind::BlockDevice(Device { major: 8, minor: 0 }), (0o660, 0, 6)),
        entry("link", EntryKind::Symlink(b"bin".to_vec()), (0o777, 33, 44)),
        entry("pipe", EntryKind::Fifo, (0o640, 5, 6)),
        entry("tmp", EntryKind::Directory, (0o1777, 0, 0)),
        entry("www", EntryKind::Directory, (0o2755, 33, 33)),
        entry("www/page", EntryKind::Regular, (0o644, 33, 33)),
    ];
    let mut writer = TarWriter::new(Vec::new());
    entries.iter().for_each(|entry| writer.append(entry, &mut &b"bytes"[..]).unwrap());
    writer.finish().unwrap()
}

/// A step on top of it, through the door that the builder uses.
fn edit(root: &Root) {
    let path = Path::new;
    root.remove_all(path("closed")).unwrap();
    root.remove_all(path("bin/ping")).unwrap();
    root.set_owner(path("www/page"), 1000, 1000).unwrap();
    root.set_owner(path("link"), 7, 8).unwrap();
    root.set_mode(path("tmp"), 0o755).unwrap();
    root.create_dir_all(path("new/deep"), 0o750).unwrap();
    root.create_file(path("new/deep/file"), 0o600).unwrap().write_all(b"new").unwrap();
    root.set_owner(path("new/deep/file"), 12, 34).unwrap();
    root.set_mode(path("new/deep/file"), 0o6711).unwrap();
    root.mknod(path("new/tty"), FileKind::CharDevice(Device { major: 5, minor: 0 }), 0o600).unwrap();
    root.set_mode(path("new/tty"), 0o620).unwrap();
    for changed in ["new/deep/file", "new/deep", "new/tty", "new", "bin", "www", "tmp", "link"] {
        root.set_mtime(path(changed), TIME).unwrap();
    }
}

/// Says why there are no layers, and fails where nothing may be skipped.
fn skip(reason: String) -> Option<String> {
    assert!(std::env::var_os("DHOW_TEST_NO_SKIP").is_none(), "nothing may skip here, but: {reason}");
    eprintln!("SKIP: {reason}");
    None
}

/// The diff ids of base and step; `None` where trees of this form cannot be made.
fn layers(directory: &Path, options: StoreOptions) -> Option<String> {
    let store = Store::open(directory, options).unwrap();
    let snapshot = match store.prepare(&Stack::default()) {
        Err(error) => {
            return skip(format!("{options:?}: {error}"));
        }
        Ok(snapshot) => snapshot,
    };
    unpack(&base()[..], snapshot.root(), Whiteouts::Literal).unwrap();
    let base = snapshot.commit().unwrap();
    let stack = Stack::default().with(base.id().clone());
    let snapshot = store.prepare(&stack).unwrap();
    edit(snapshot.root());
    let step = snapshot.commit().unwrap();
    let page = store.view(&stack.with(step.id().clone())).unwrap().root().stat(Path::new("www/page")).unwrap().unwrap();
    assert_eq!((page.uid, page.gid, page.mode), (1000, 1000, 0o644));
    Some(format!("{} {}", base.diff_id().unwrap(), step.diff_id().unwrap()))
}

fn inside_a_user_namespace(form: &str) -> Option<String> {
    let directory = tempfile::tempdir().unwrap();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o777)).unwrap();
    // A copy, as the ordinary user may not be let to where this program is.
    let program = directory.path().join("test");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    let mut command = if rustix::process::geteuid().is_root() {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "unshare"]);
        command
    } else {
        Command::new("unshare")
    };
    command.args(["--user", "--map-root-user", "--mount"]).arg(program).args(["--ignored", "--exact", "--nocapture"]);
    let output = command.arg("inner_run").env(FORM, form).env("TMPDIR", directory.path()).output();
    let output = match output {
        Err(error) => {
            return skip(format!("no setpriv or unshare: {error}"));
        }
        Ok(output) => output,
    };
    let (text, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if errors.contains("unshare failed") {
        return skip(format!("no user namespaces here: {errors}"));
    }
    assert!(output.status.success(), "{text}{errors}");
    text.lines().find_map(|line| line.split_once("LAYERS ")).map(|(_, layers)| layers.to_owned())
}

#[test]
#[ignore = "runs inside of a user namespace, started by the other test"]
fn inner_run() {
    let snapshotter = match std::env::var(FORM).as_deref() {
        Ok("overlay") => SnapshotterChoice::Overlay,
        Ok("copy") => SnapshotterChoice::Copy,
        _ => return eprintln!("this is for the other test to run"),
    };
    let directory = tempfile::tempdir().unwrap();
    let options = StoreOptions { ownership: Ownership::Recorded, snapshotter };
    if let Some(layers) = layers(directory.path(), options) {
        println!("\nLAYERS {layers}");
    }
}

#[test]
fn every_level_of_privilege_makes_the_same_layers() {
    let mut found = Vec::new();
    if rustix::process::geteuid().is_root() {
        for snapshotter in [SnapshotterChoice::Overlay, SnapshotterChoice::Copy] {
            for ownership in [Ownership::OnDisk, Ownership::Recorded] {
                let directory = tempfile::tempdir().unwrap();
                let options = StoreOptions { ownership, snapshotter };
                found.extend(layers(directory.path(), options).map(|layers| (format!("{options:?}"), layers)));
            }
        }
    }
    for form in ["overlay", "copy"] {
        found.extend(inside_a_user_namespace(form).map(|layers| (format!("user namespace, {form}"), layers)));
    }
    for (level, layers) in &found {
        assert_eq!(*layers, found[0].1, "{level} against {}", found[0].0);
    }
    assert!(found.len() > 1 || !rustix::process::geteuid().is_root(), "nothing was compared");
}
