//! A store that is full, cannot be written or is damaged, and a sandbox that cannot be had: the exit codes 6 and 7 of
//! docs/exit-codes.md, what is said, and that the store works again when the reason is gone.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::context::{BUSYBOX, context, import_busybox, text};
use crate::dhow::Dhow;
use crate::skip::{self, need};

/// A small file system in memory in the place of a store; unmounted when dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(dhow: &Dhow, size: &str) -> Result<Self, String> {
        skip::root()?;
        fs::create_dir_all(dhow.store()).expect("creates the store's folder");
        let disk = Self(dhow.store());
        match disk.command("mount", &["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]) {
            true => Ok(disk),
            false => {
                std::mem::forget(disk);
                Err("no right to mount a small file system".to_owned())
            }
        }
    }

    fn remount(&self, option: &str) {
        assert!(self.command("mount", &["-o", &format!("remount,{option}")]), "remount,{option}");
    }

    fn command(&self, program: &str, options: &[&str]) -> bool {
        let status = Command::new(program).args(options).arg(&self.0).stderr(Stdio::null()).status();
        status.is_ok_and(|status| status.success())
    }

    /// Takes all space that is left with a file, whose path it returns.
    fn fill(&self) -> PathBuf {
        let path = self.0.join("filling");
        let mut file = fs::File::create(&path).expect("creates a file");
        let full = std::io::copy(&mut std::io::repeat(1), &mut file).expect_err("the disk has an end");
        assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
        path
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        assert!(self.command("umount", &[]), "unmount {}", self.0.display());
    }
}

/// Fails with `code` and says `words`, and how to mend it.
#[track_caller]
fn fails(dhow: &Dhow, arguments: &[&str], (code, words): (i32, &str)) {
    let found = dhow.run(arguments);
    assert_eq!(found.code, Some(code), "{arguments:?}: {}", found.stderr);
    assert!(found.stderr.contains(words) && found.stderr.contains("hint: "), "{arguments:?}: {}", found.stderr);
}

fn folder(dhow: &Dhow, name: &str, steps: &str) -> PathBuf {
    let dockerfile = format!("FROM {BUSYBOX}\n{steps}\n");
    let folder = context(dhow, name, &[("Dockerfile", dockerfile.as_str()), ("small", "small\n")]);
    fs::write(folder.join("big"), vec![7; 12 << 20]).expect("writes a file");
    folder
}

#[test]
fn a_full_store_is_told_and_works_again_when_there_is_room() {
    let dhow = Dhow::new();
    let disk = need!(SmallDisk::mount(&dhow, "13m"));
    need!(import_busybox(&dhow));
    let big = folder(&dhow, "big", "COPY big /");
    fails(&dhow, &["build", "-q", "-t", "big", text(&big)], (6, "the disk is full"));
    let small = folder(&dhow, "small", "RUN head -c 2000000 /dev/zero > /zero\nCOPY small /");
    dhow.ok(["build", "-q", "-t", "small", text(&small)]);

    let elsewhere = Dhow::new();
    need!(import_busybox(&elsewhere));
    let image = folder(&elsewhere, "big", "COPY big /");
    elsewhere.ok(["build", "-q", "-t", "other", text(&image)]);
    let archive = elsewhere.folder().join("other.tar");
    elsewhere.ok(["save", "-o", text(&archive), "other"]);
    fails(&dhow, &["load", "-i", text(&archive)], (6, "the disk is full"));
    assert_eq!(dhow.ok(["images", "-q", "other"]), "");

    // What is needed to make room needs none itself.
    let filling = disk.fill();
    let changed = folder(&dhow, "small", "COPY small /other");
    fails(&dhow, &["build", "-q", text(&changed)], (6, "the disk is full"));
    dhow.ok(["rmi", "small"]);
    assert!(dhow.ok(["cache", "prune", "--all", "-f"]).contains("reclaimed space: 2"));
    dhow.ok(["build", "-q", "-t", "small", text(&changed)]);
    fs::remove_file(filling).expect("removes the filling");
    assert_eq!(dhow.ok(["run", "--rm", "small", "cat", "/other"]), "small\n");
}

#[test]
fn a_program_that_fills_the_disk_itself_is_a_step_that_failed() {
    let dhow = Dhow::new();
    let _disk = need!(SmallDisk::mount(&dhow, "16m"));
    need!(import_busybox(&dhow));
    let filling = folder(&dhow, "filling", "RUN cat /dev/zero > /zero");
    let found = dhow.run(["build", "-q", text(&filling)]);
    assert_eq!(found.code, Some(4), "{}", found.stderr);
    assert!(found.stderr.contains("No space left"), "{}", found.stderr);
}

#[test]
fn a_store_that_cannot_be_written_is_told() {
    let dhow = Dhow::new();
    let disk = need!(SmallDisk::mount(&dhow, "64m"));
    need!(import_busybox(&dhow));
    let small = folder(&dhow, "small", "COPY small /");
    disk.remount("ro");
    for arguments in
        [&["build", "-q", text(&small)][..], &["images"], &["tag", "busybox", "other"], &["cache", "prune", "-f"]]
    {
        fails(&dhow, arguments, (6, "the file system is read-only"));
    }
    disk.remount("rw");
    dhow.ok(["build", "-q", text(&small)]);
}

/// The only file in a folder of the store.
fn only_file(folder: &Path) -> PathBuf {
    let mut files = fs::read_dir(folder).expect("reads the folder").map(|entry| entry.expect("an entry").path());
    let file = files.next().expect("a file");
    assert_eq!(files.next(), None);
    file
}

#[test]
fn a_damaged_store_is_told_with_the_file() {
    let dhow = Dhow::new();
    need!(import_busybox(&dhow));
    let small = folder(&dhow, "small", "RUN true");
    for (file, arguments) in [
        (only_file(&dhow.store().join("images")), &["inspect", BUSYBOX][..]),
        (dhow.store().join("refs/docker.io/library/busybox/_tags/latest.json"), &["build", "-q", text(&small)]),
        (only_file(&dhow.store().join("layers")).join("layer.json"), &["build", "-q", text(&small)]),
        (only_file(&dhow.store().join("blobs/sha256")), &["save", "-o", "/dev/null", BUSYBOX]),
    ] {
        let sound = fs::read(&file).expect("reads the file");
        fs::write(&file, &sound[..sound.len() / 2]).expect("damages the file");
        let found = dhow.run(arguments);
        assert_eq!(found.code, Some(6), "{arguments:?}: {}", found.stderr);
        let name = file.file_name().and_then(|name| name.to_str()).expect("a name");
        assert!(found.stderr.contains(name) && found.stderr.contains("hint: "), "{}: {}", file.display(), found.stderr);
        fs::write(&file, &sound).expect("mends the file");
    }
    dhow.ok(["build", "-q", text(&small)]);
}

#[test]
fn a_damaged_record_of_the_cache_costs_a_step_and_nothing_else() {
    need!(skip::root());
    let dhow = Dhow::new();
    need!(import_busybox(&dhow));
    let small = folder(&dhow, "small", "RUN echo made > /made");
    dhow.ok(["build", "-q", "-t", "small", text(&small)]);
    let record = only_file(&dhow.store().join("cache"));
    for damage in [&b""[..], b"{", b"null", b"\xff\xff"] {
        fs::write(&record, damage).expect("damages the record");
        let built = dhow.run(["build", "--progress=plain", "-t", "small", text(&small)]);
        assert_eq!(built.code, Some(0), "{}", built.stderr);
        assert!(!built.stderr.contains("CACHED"), "{}", built.stderr);
        assert_eq!(dhow.ok(["run", "--rm", "small", "cat", "/made"]), "made\n");
    }
    assert!(dhow.run(["build", "--progress=plain", text(&small)]).stderr.contains("CACHED"));
}

#[test]
fn a_sandbox_that_cannot_be_had_is_not_the_steps_fault() {
    need!(skip::root());
    let dhow = Dhow::new();
    need!(import_busybox(&dhow));
    let small = folder(&dhow, "small", "RUN true");
    fails(&dhow, &["build", "-q", "--cgroup-parent", "/no/such/group", text(&small)], (7, "no cgroup"));
    let bad = folder(&dhow, "bad", "USER nobody-knows\nRUN true");
    assert_eq!(dhow.run(["build", "-q", text(&bad)]).code, Some(4));
    let bad = folder(&dhow, "bad", "RUN [\"/no/such/program\"]");
    assert_eq!(dhow.run(["build", "-q", text(&bad)]).code, Some(4));
}
