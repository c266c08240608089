//! Sandboxes over an overlay that is not mounted anywhere: what a build step leaves in its layer.
#![allow(missing_docs, clippy::print_stderr)]

mod common;

use std::fs::{self, File};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use common::{BusyboxRoot, run, wants_root};
use dhow_runtime::{Bundle, Mount, Rootfs};
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_string, fsmount, fsopen};

/// A busybox root below, an empty layer above.
struct Overlay {
    lower: BusyboxRoot,
    dir: tempfile::TempDir,
}

impl Overlay {
    fn new() -> Option<Self> {
        if !wants_root() {
            return None;
        }
        let overlay = Self { lower: BusyboxRoot::new()?, dir: tempfile::tempdir().unwrap() };
        fs::create_dir(overlay.dir.path().join("upper")).unwrap();
        fs::create_dir(overlay.dir.path().join("work")).unwrap();
        let old = UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        for path in ["", "etc"] {
            File::open(overlay.lower.path().join(path)).unwrap().set_modified(old).unwrap();
        }
        // The root of an upper directory shows its own time, so it starts with that of the lower one.
        File::open(overlay.upper()).unwrap().set_modified(old).unwrap();
        Some(overlay)
    }

    fn upper(&self) -> PathBuf {
        self.dir.path().join("upper")
    }

    fn mount(&self) -> OwnedFd {
        let context = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC).unwrap();
        fsconfig_set_string(&context, "lowerdir", self.lower.path()).unwrap();
        fsconfig_set_string(&context, "upperdir", self.upper()).unwrap();
        fsconfig_set_string(&context, "workdir", self.dir.path().join("work")).unwrap();
        fsconfig_create(&context).unwrap();
        fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty()).unwrap()
    }

    /// Runs a line of shell with the files that a build step gets, and gives what the layer holds then.
    fn step(&self, line: &str, change: impl FnOnce(&mut Bundle)) -> Vec<String> {
        let mut bundle = self.lower.shell(line);
        bundle.rootfs = Rootfs::Mount(self.mount());
        for name in ["resolv.conf", "hosts", "hostname"] {
            bundle.mounts.push(Mount::file("content\n", Path::new("/etc").join(name)));
        }
        change(&mut bundle);
        let outcome = run(bundle).unwrap();
        assert!(outcome.exit.status.success(), "{outcome:?}");
        self.layer()
    }

    fn layer(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut ahead = vec![self.upper()];
        while let Some(dir) = ahead.pop() {
            for entry in fs::read_dir(dir).unwrap().flatten() {
                if entry.file_type().unwrap().is_dir() {
                    ahead.push(entry.path());
                }
                found.push(entry.path().strip_prefix(self.upper()).unwrap().display().to_string());
            }
        }
        found.sort();
        found
    }

    fn modified(&self, path: &str) -> SystemTime {
        fs::metadata(self.upper().join(path)).unwrap().modified().unwrap()
    }
}

#[test]
fn a_step_that_does_nothing_leaves_nothing() {
    let Some(overlay) = Overlay::new() else { return };
    let line = "grep -q content /etc/resolv.conf && test -d /proc/self && test -c /dev/null";
    // The directory that held mount points was copied up, as it was before.
    assert_eq!(overlay.step(line, |_| ()), ["etc"]);
    let old = UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    assert_eq!((overlay.modified(""), overlay.modified("etc")), (old, old));
}

#[test]
fn a_step_leaves_what_it_did() {
    let Some(overlay) = Overlay::new() else { return };
    let line = "echo x > /etc/new; rm /etc/group; mkdir /opt; touch /tmp/file; echo lost > /etc/hosts; touch /var-file";
    let change = |bundle: &mut Bundle| {
        bundle.process.cwd = "/srv/app".into();
        bundle.mounts.push(Mount::tmpfs("/root/.cache/tool"));
    };
    let layer = overlay.step(line, change);
    assert_eq!(layer, ["etc", "etc/group", "etc/new", "opt", "root", "srv", "srv/app", "tmp", "tmp/file", "var-file"]);
}

#[test]
fn an_upper_directory_is_free_when_the_wait_is_over() {
    let Some(overlay) = Overlay::new() else { return };
    for number in 0..10 {
        overlay.step(&format!("touch /tmp/{number}; sleep 74001 & true"), |_| ());
        fs::rename(overlay.upper(), overlay.dir.path().join("moved")).unwrap();
        fs::rename(overlay.dir.path().join("moved"), overlay.upper()).unwrap();
    }
    assert_eq!(overlay.layer().iter().filter(|path| path.starts_with("tmp/")).count(), 10);
}

#[test]
fn existing_files_behind_mounts_are_not_touched() {
    let Some(overlay) = Overlay::new() else { return };
    overlay.lower.write("etc/hosts", "original\n");
    assert_eq!(overlay.step("echo changed > /etc/hosts", |_| ()), ["etc"]);
    let lower = fs::read_to_string(overlay.lower.path().join("etc/hosts")).unwrap();
    assert_eq!(lower, "original\n");
}
