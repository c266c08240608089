//! What goes wrong, and whether it is said by name.
#![allow(missing_docs, clippy::print_stderr)]

mod common;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use common::{BusyboxRoot, run, wants_root};
use dhow_runtime::{Bundle, Mount, Rootfs};

/// Runs `args` in a changed bundle that must fail; gives the error with its cause, its exit code and its hint.
fn fail(root: &BusyboxRoot, args: &[&str], change: impl FnOnce(&mut Bundle)) -> (String, i32, String) {
    let before = root.listing();
    let mut bundle = root.bundle(args);
    change(&mut bundle);
    let error = run(bundle).expect_err("must fail");
    assert_eq!(root.listing(), before, "{error}");
    let cause = std::error::Error::source(&error).map_or(String::new(), |cause| format!(": {cause}"));
    (format!("{error}{cause}"), error.exit_code(), error.hint().unwrap_or_default())
}

/// An ELF header of a program for the 64-bit ARM architecture, and nothing behind it.
fn arm_program() -> Vec<u8> {
    let mut bytes = b"\x7fELF\x02\x01\x01".to_vec();
    bytes.resize(64, 0);
    bytes[16] = 2;
    bytes[18] = 183;
    bytes
}

#[test]
fn programs_that_cannot_be_executed_are_named_with_the_reason() {
    if !wants_root() {
        return;
    }
    let Some(root) = BusyboxRoot::new() else { return };
    let files: [(&str, &[u8], u32); 6] = [
        ("plain", b"hello", 0o644),
        ("noformat", b"hello", 0o755),
        ("script", b"#!/no/such/sh -e\n", 0o755),
        ("windows", b"#!/bin/sh\r\n", 0o755),
        ("arm", &arm_program(), 0o755),
        ("broken", b"\x7fELF", 0o755),
    ];
    for (name, content, mode) in files {
        fs::write(root.path().join(name), content).unwrap();
        fs::set_permissions(root.path().join(name), PermissionsExt::from_mode(mode)).unwrap();
    }
    symlink("/nowhere", root.path().join("bin/dangling")).unwrap();
    for (program, message, code) in [
        ("/nothing", "no such file or directory", 127),
        ("nothing", "executable file not found in `PATH` (`/bin`)", 127),
        ("dangling", "executable file not found in `PATH` (`/bin`)", 127),
        ("/plain", "permission denied", 126),
        ("/etc", "permission denied", 126),
        ("/plain/x", "no such file or directory", 127),
        ("/noformat", "exec format error", 126),
        ("/broken", "exec format error", 126),
        ("/script", "its interpreter `/no/such/sh` does not exist", 127),
        ("/windows", "its interpreter `/bin/sh\\r` does not exist", 127),
        ("/arm", "exec format error: it is a program for arm64, this machine is amd64", 126),
    ] {
        let expected = format!("cannot execute `{program}`: {message}");
        let (said, exit_code, hint) = fail(&root, &[program], |_| ());
        if program == "/arm" && said.contains("machine is arm64") {
            continue;
        }
        assert_eq!((said, exit_code), (expected, code));
        assert!(!hint.is_empty(), "{program}");
    }
}

#[test]
fn a_missing_loader_is_named() {
    if !wants_root() {
        return;
    }
    let Some(root) = BusyboxRoot::new() else { return };
    if !root.add_host_program("/bin/dash") {
        return;
    }
    fs::remove_dir_all(root.path().join("lib64")).unwrap();
    let (said, code, _) = fail(&root, &["/bin/dash"], |_| ());
    assert!(said.starts_with("cannot execute `/bin/dash`: its loader `/lib64/ld-linux") && code == 127, "{said}");
}

#[test]
fn values_and_mounts_that_cannot_be_are_named() {
    if !wants_root() {
        return;
    }
    let Some(root) = BusyboxRoot::new() else { return };
    root.write("file", "");
    symlink("/tmp", root.path().join("linked")).unwrap();
    let mount = |mount: Mount| move |bundle: &mut Bundle| bundle.mounts.push(mount);
    let not_dir = "cannot prepare the mount of `/etc` at `/file`: Not a directory (os error 20)";
    let missing = "cannot prepare the mount of `/no/such` at `/x`: No such file or directory (os error 2)";
    let checks: Vec<(&str, (String, i32, String))> = vec![
        (not_dir, fail(&root, &["true"], mount(Mount::bind("/etc", "/file")))),
        (missing, fail(&root, &["true"], mount(Mount::bind("/no/such", "/x")))),
        ("invalid mount target `x`", fail(&root, &["true"], mount(Mount::bind("/etc", "x")))),
        ("invalid mount target `/proc/self`", fail(&root, &["true"], mount(Mount::tmpfs("/proc/self")))),
        ("invalid working directory `x`", fail(&root, &["true"], |bundle| bundle.process.cwd = "x".into())),
        ("invalid argument `a\0b`", fail(&root, &["true", "a\0b"], |_| ())),
        ("invalid command ``", fail(&root, &[""], |_| ())),
        ("invalid command ``", fail(&root, &[], |_| ())),
        (
            "cannot prepare the mount of `/no/root` at `/`: No such file or directory (os error 2)",
            fail(&root, &["true"], |bundle| bundle.rootfs = Rootfs::Dir("/no/root".into())),
        ),
        (
            "cannot make the working directory `/file/x`: Not a directory (os error 20)",
            fail(&root, &["true"], |bundle| bundle.process.cwd = "/file/x".into()),
        ),
    ];
    for (expected, (said, code, _)) in checks {
        assert_eq!((said.as_str(), code), (expected, 125));
    }
}

#[test]
fn links_of_an_image_do_not_lead_the_kernels_file_systems_astray() {
    if !wants_root() {
        return;
    }
    let Some(root) = BusyboxRoot::new() else { return };
    for name in ["proc", "sys", "dev"] {
        symlink("/tmp", root.path().join(name)).unwrap();
        let (said, _, _) = fail(&root, &["true"], |_| ());
        assert!(said.contains(&format!("at `/{name}`")) && said.contains("(os error 40)"), "{said}");
        fs::remove_file(root.path().join(name)).unwrap();
    }
}
