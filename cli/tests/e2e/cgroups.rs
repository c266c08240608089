//! Sandboxes where cgroups are of version 2 alone, as on most machines today: those of root and of an ordinary user.

use std::process::Command;

use crate::context::{BUSYBOX, context, import_busybox, text};
use crate::dhow::{Dhow, Finished};
use crate::skip::{self, need};

/// Runs dhow in a mount namespace in which `/sys/fs/cgroup` is the tree of version 2.
fn with_version_2(dhow: &Dhow, arguments: &[&str]) -> Finished {
    const SCRIPT: &str =
        "test $(stat -fc %T /sys/fs/cgroup) = cgroup2fs || mount -t cgroup2 none /sys/fs/cgroup; exec \"$@\"";
    let inner = dhow.command(arguments);
    let mut outer = Command::new("unshare");
    outer.args(["--mount", "--propagation", "private", "sh", "-ec", SCRIPT, "sh"]);
    outer.arg(inner.get_program()).args(inner.get_args());
    Finished::from(outer.output().expect("unshare starts"))
}

fn sandboxes_have_their_own_cgroup(dhow: &Dhow) {
    need!(skip::root());
    need!(import_busybox(dhow));
    let script = "echo cgroup $(grep ^0 /proc/self/cgroup) && cat /sys/fs/cgroup/cgroup.controllers";
    let folder = context(dhow, "app", &[("Dockerfile", &format!("FROM {BUSYBOX}\nRUN {script}\n"))]);
    let built = with_version_2(dhow, &["build", "--progress=plain", text(&folder)]);
    assert_eq!(built.code, Some(0), "{}", built.stderr);
    assert!(built.stderr.contains("cgroup 0::/\n"), "{}", built.stderr);
    let said = with_version_2(dhow, &["run", "--rm", BUSYBOX, "grep", " /sys/fs/cgroup ", "/proc/mounts"]);
    let mounts = said.expect_success();
    let last = mounts.lines().last().expect("a mount").split(' ').collect::<Vec<_>>();
    assert_eq!((last[2], last[3].split(',').next()), ("cgroup2", Some("ro")), "{mounts}");
}

#[test]
fn a_sandbox_has_its_own_cgroup() {
    sandboxes_have_their_own_cgroup(&Dhow::new());
}

#[test]
fn so_has_that_of_an_ordinary_user() {
    sandboxes_have_their_own_cgroup(&need!(Dhow::as_ordinary_user()));
}
