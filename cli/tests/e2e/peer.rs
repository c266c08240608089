//! The peers that formats are proven against: skopeo and podman, as Debian packages them.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::skip::{self, program};

/// Whether skopeo can be used, or the reason to skip.
pub(crate) fn needs_skopeo() -> Result<(), String> {
    program("skopeo").map(|_| ())
}

/// Runs skopeo; its standard output. The registry of the tests speaks plain HTTP.
#[track_caller]
pub(crate) fn skopeo<A: AsRef<OsStr>>(arguments: &[A]) -> String {
    let mut command = Command::new("skopeo");
    command.arg("--insecure-policy").args(arguments);
    finish(command)
}

/// podman with a storage of its own.
pub(crate) struct Podman<'a> {
    folder: &'a Path,
}

impl<'a> Podman<'a> {
    /// podman that keeps everything below `folder`, or the reason to skip.
    pub(crate) fn new(folder: &'a Path) -> Result<Self, String> {
        skip::root()?;
        program("podman")?;
        program("crun")?;
        fs::write(folder.join("containers.conf"), CONTAINERS_CONF).expect("writes podman's config");
        fs::write(folder.join("policy.json"), r#"{"default":[{"type":"insecureAcceptAnything"}]}"#)
            .expect("writes podman's policy");
        Ok(Self { folder })
    }

    /// Runs podman; its standard output.
    #[track_caller]
    pub(crate) fn ok<A: AsRef<OsStr>>(&self, arguments: &[A]) -> String {
        // podman's runtime refuses machines whose cgroups are half v1 and half v2, and lowers limits to
        // what it may not raise again: it gets version 2 alone, in a mount namespace of its own.
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "--propagation", "private", "sh", "-c", IN_CGROUP2, "podman", "podman"])
            .arg("--root")
            .arg(self.folder.join("podman"))
            .arg("--runroot")
            .arg(self.folder.join("podman-run"))
            .args(arguments)
            .env("CONTAINERS_CONF", self.folder.join("containers.conf"));
        finish(command)
    }
}

const IN_CGROUP2: &str = r#"mount -t cgroup2 cgroup2 /sys/fs/cgroup; exec "$@""#;

const CONTAINERS_CONF: &str = r#"[containers]
cgroups = "disabled"
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
netns = "host"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "crun"
"#;

#[track_caller]
fn finish(mut command: Command) -> String {
    let output = command.output().expect("the peer starts");
    assert!(
        output.status.success(),
        "{command:?}\n--- stdout\n{}\n--- stderr\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}
