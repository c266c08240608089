//! The same steps give the same layers at every level of privilege: root, user namespace with one id, with and without
//! mounts. The test runs itself again inside of a user namespace.

#![allow(clippy::print_stderr, clippy::print_stdout, reason = "the inner run reports by printing")]

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

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

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
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

/// The ids of a user namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ids {
    /// An ordinary user becomes root, and nobody else exists.
    One,
    /// As with subordinate ids; only root can make it without help.
    Many,
}

fn inside_a_user_namespace(form: &str, ids: Ids) -> Option<String> {
    let directory = tempfile::tempdir().unwrap();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o777)).unwrap();
    // A copy, as the ordinary user may not be let to where this program is.
    let program = directory.path().join("test");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    let mut command = Command::new(if ids == Ids::One && is_root() { "setpriv" } else { "unshare" });
    if ids == Ids::One && is_root() {
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "unshare"]);
    }
    if ids == Ids::One {
        command.arg("--map-root-user");
    }
    // Goes on once the ids are there.
    command.args(["--user", "--mount", "sh", "-c", "read ready; exec \"$@\"", "sh"]).arg(program);
    command.args(["--ignored", "--exact", "--nocapture", "inner_run"]);
    command.env(FORM, format!("{form} {ids:?}")).env("TMPDIR", directory.path());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let output = command.spawn().and_then(|mut child| {
        if ids == Ids::Many {
            map_ids(&child)?;
        }
        child.stdin.take().map_or(Ok(()), |mut stdin| stdin.write_all(b"ready\n"))?;
        child.wait_with_output()
    });
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

/// Gives a process that has made a user namespace the ids of this one, but none of its rights.
fn map_ids(child: &Child) -> std::io::Result<()> {
    let process = Path::new("/proc").join(child.id().to_string());
    let ours = fs::read_link("/proc/self/ns/user")?;
    while fs::read_link(process.join("ns/user"))? == ours {
        std::thread::sleep(Duration::from_millis(2));
    }
    fs::write(process.join("uid_map"), "0 0 65536")?;
    fs::write(process.join("gid_map"), "0 0 65536")
}

#[test]
#[ignore = "runs inside of a user namespace, started by the other test"]
fn inner_run() {
    let (snapshotter, ownership) = match std::env::var(FORM).as_deref() {
        Ok("overlay One") => (SnapshotterChoice::Overlay, Ownership::Recorded),
        Ok("copy One") => (SnapshotterChoice::Copy, Ownership::Recorded),
        Ok("overlay Many") => (SnapshotterChoice::Overlay, Ownership::OnDisk),
        Ok("copy Many") => (SnapshotterChoice::Copy, Ownership::OnDisk),
        _ => return eprintln!("this is for the other test to run"),
    };
    let directory = tempfile::tempdir().unwrap();
    let options = StoreOptions { ownership, snapshotter };
    if let Some(layers) = layers(directory.path(), options) {
        println!("\nLAYERS {layers}");
    }
}

#[test]
fn every_level_of_privilege_makes_the_same_layers() {
    let mut found = Vec::new();
    if is_root() {
        for snapshotter in [SnapshotterChoice::Overlay, SnapshotterChoice::Copy] {
            for ownership in [Ownership::OnDisk, Ownership::Recorded] {
                let directory = tempfile::tempdir().unwrap();
                let options = StoreOptions { ownership, snapshotter };
                found.extend(layers(directory.path(), options).map(|layers| (format!("{options:?}"), layers)));
            }
        }
    }
    for form in ["overlay", "copy"] {
        for ids in [Ids::One, Ids::Many] {
            if ids == Ids::One || is_root() {
                let layers = inside_a_user_namespace(form, ids);
                found.extend(layers.map(|layers| (format!("user namespace, {form}, {ids:?}"), layers)));
            }
        }
    }
    for (level, layers) in &found {
        assert_eq!(*layers, found[0].1, "{level} against {}", found[0].0);
    }
    assert!(found.len() > 1 || !is_root(), "nothing was compared");
}
