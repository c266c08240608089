//! Ctrl-C, SIGTERM and SIGKILL in the middle of a step: nothing stays behind, and the next build works.

use std::fs;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::context::{BUSYBOX, context, import_busybox, text};
use crate::dhow::Dhow;
use crate::run::wait_for;
use crate::skip::{need, program};
use crate::sshd::make_key;

/// A number of seconds that no other sleep on the machine has; one a test, as they run at the same time.
fn sleeping(seconds: &str) -> bool {
    let processes = fs::read_dir("/proc").expect("/proc");
    processes.flatten().any(|process| {
        fs::read(process.path().join("cmdline"))
            .is_ok_and(|line| line.starts_with(b"sleep\0") && line[6..].starts_with(seconds.as_bytes()))
    })
}

fn mounts_of(dhow: &Dhow) -> Vec<String> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").expect("mountinfo");
    let folder = text(dhow.folder()).to_owned();
    mounts.lines().filter(|line| line.contains(&folder)).map(str::to_owned).collect()
}

/// cgroups whose name has dhow in it and which hold no process.
fn empty_cgroups() -> Vec<String> {
    let found = Command::new("find").args(["/sys/fs/cgroup", "-type", "d", "-name", "*dhow*"]).output();
    let found = found.expect("find runs");
    String::from_utf8_lossy(&found.stdout)
        .lines()
        .filter(|path| fs::read_to_string(format!("{path}/cgroup.procs")).is_ok_and(|procs| procs.is_empty()))
        .map(str::to_owned)
        .collect()
}

fn start_build(dhow: &Dhow, seconds: &str) -> Child {
    let dockerfile = format!("FROM {BUSYBOX}\nRUN echo before > /before\nRUN sleep {seconds}\n");
    let folder = context(dhow, "interrupted", &[("Dockerfile", &dockerfile)]);
    let child = dhow
        .command(["build", "-t", "interrupted", text(&folder)])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("dhow starts");
    wait_for("the step to run", || sleeping(seconds));
    child
}

fn signal(child: &Child, name: &str) {
    let killed = Command::new("kill").args(["-s", name, &child.id().to_string()]).status();
    assert!(killed.expect("kill runs").success());
}

fn check(dhow: &Dhow, signal_name: &str, seconds: &str) {
    let mut child = start_build(dhow, seconds);
    signal(&child, signal_name);
    let status = child.wait().expect("dhow ends");
    assert!(!status.success(), "a build that was ended by {signal_name} did not succeed");
    wait_for("the step's process to end", || !sleeping(seconds));
    let images = dhow.ok(["images", "--format", "{{.Repository}}"]);
    assert_eq!(images, format!("{BUSYBOX}\n"), "a broken-off build leaves no image");
    assert_eq!(mounts_of(dhow), Vec::<String>::new(), "mounts");
    let dockerfile = format!("FROM {BUSYBOX}\nRUN echo before > /before\nCMD cat /before\n");
    let folder = context(dhow, "after", &[("Dockerfile", &dockerfile)]);
    dhow.ok(["build", "-t", "after", text(&folder)]);
    assert_eq!(dhow.ok(["run", "--rm", "after"]), "before\n");
}

#[test]
fn ctrl_c_ends_everything() {
    let dhow = Dhow::new();
    need!(import_busybox(&dhow));
    check(&dhow, "INT", "61001");
}

#[test]
fn sigterm_ends_everything() {
    let dhow = Dhow::new();
    need!(import_busybox(&dhow));
    check(&dhow, "TERM", "61002");
}

#[test]
fn after_sigkill_the_next_build_works() {
    let dhow = Dhow::new();
    need!(import_busybox(&dhow));
    check(&dhow, "KILL", "61003");
}

#[test]
fn ctrl_c_ends_everything_of_an_ordinary_user() {
    let dhow = need!(Dhow::as_ordinary_user());
    need!(import_busybox(&dhow));
    check(&dhow, "INT", "61004");
}

#[test]
fn ctrl_c_leaves_no_cgroup() {
    let dhow = Dhow::new();
    need!(import_busybox(&dhow));
    let before = empty_cgroups();
    let mut child = start_build(&dhow, "61005");
    signal(&child, "INT");
    child.wait().expect("dhow ends");
    wait_for("the step's process to end", || !sleeping("61005"));
    wait_for("the step's cgroup to go", || empty_cgroups().iter().all(|cgroup| before.contains(cgroup)));
}

#[test]
fn servers_that_say_nothing_do_not_hold_up_an_interrupt() {
    need!(program("ssh-keygen"));
    let dhow = Dhow::new();
    let key = dhow.folder().join("key");
    make_key(&key, &["-t", "ed25519", "-N", ""]);
    let agent = format!("default={}", key.display());
    for scheme in ["git", "ssh"] {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("{scheme}://127.0.0.1:{}/repo.git", listener.local_addr().expect("an address").port());
        let folder = context(&dhow, "silent", &[("Dockerfile", &format!("FROM scratch\nADD {url} /x\n"))]);
        for place in [url.as_str(), text(&folder)] {
            let mut command = dhow.command(["build", "--ssh", &agent, place]);
            let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("dhow starts");
            let _connection = listener.accept().expect("a connection");
            let start = Instant::now();
            signal(&child, "INT");
            assert_eq!(child.wait().expect("dhow ends").code(), Some(130), "{place}");
            // Else it is ended after 15 seconds, with things left behind.
            assert!(start.elapsed() < Duration::from_secs(10), "{place}: {:?}", start.elapsed());
        }
    }
}
