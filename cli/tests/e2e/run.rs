//! `dhow run` and the commands on containers, as root and as an ordinary user.

use std::io::Write;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::context::{BUSYBOX, context, import_busybox, text};
use crate::dhow::Dhow;
use crate::skip::need;

/// (options, command, standard output, exit code)
const RUNS: &[(&[&str], &[&str], &str, i32)] = &[
    (&[], &["echo", "hello"], "hello\n", 0),
    (&[], &["sh", "-c", "exit 42"], "", 42),
    (&[], &["sh", "-c", "sh -c 'kill -TERM $$'; echo $?"], "143\n", 0),
    (&[], &["no-such-program"], "", 127),
    (&[], &["/etc/motd"], "", 126),
    (&["-e", "A=1", "--env", "B=two words"], &["sh", "-c", "echo \"$A $B\""], "1 two words\n", 0),
    (&["-w", "/opt/tools"], &["pwd"], "/opt/tools\n", 0),
    (&["-u", "alice"], &["sh", "-c", "id -u; id -g; echo $HOME"], "1000\n1000\n/home/alice\n", 0),
    (&["-u", "1001:50"], &["sh", "-c", "id -u; id -g"], "1001\n50\n", 0),
    (&["--entrypoint", "/bin/cat"], &["/etc/motd"], "welcome\n", 0),
    (&["--hostname", "harbour"], &["hostname"], "harbour\n", 0),
    (&["--network", "none"], &["sh", "-c", "ls /sys/class/net"], "lo\n", 0),
    (&[], &["sh", "-c", "echo $$"], "1\n", 0),
    (&["--read-only"], &["sh", "-c", "touch /x 2>/dev/null || echo read-only"], "read-only\n", 0),
];

fn check_runs(dhow: &Dhow) {
    for (options, command, stdout, code) in RUNS {
        let mut arguments = vec!["run", "--rm"];
        arguments.extend(*options);
        arguments.push(BUSYBOX);
        arguments.extend(*command);
        let finished = dhow.run(&arguments);
        assert_eq!(
            (finished.stdout.as_str(), finished.code),
            (*stdout, Some(*code)),
            "dhow {}\n{}",
            arguments.join(" "),
            finished.stderr
        );
    }
    assert_eq!(dhow.ok(["ps", "-a", "-q"]), "", "--rm leaves no container");
}

#[test]
fn runs_commands() {
    let dhow = Dhow::new();
    need!(import_busybox(&dhow));
    check_runs(&dhow);
}

#[test]
fn runs_commands_as_an_ordinary_user() {
    let dhow = need!(Dhow::as_ordinary_user());
    need!(import_busybox(&dhow));
    check_runs(&dhow);
}

#[test]
fn builds_and_runs_as_an_ordinary_user() {
    let dhow = need!(Dhow::as_ordinary_user());
    need!(import_busybox(&dhow));
    let dockerfile =
        format!("FROM {BUSYBOX}\nRUN chown -R alice /opt && id -u > /id\nUSER alice\nCMD cat /id && id -u\n");
    let folder = context(&dhow, "rootless", &[("Dockerfile", &dockerfile)]);
    dhow.ok(["build", "-t", "rootless", text(&folder)]);
    assert_eq!(dhow.ok(["run", "--rm", "rootless"]), "0\n1000\n");
}

#[test]
fn standard_input_reaches_the_process() {
    let dhow = Dhow::new();
    need!(import_busybox(&dhow));
    let mut command = dhow.command(["run", "--rm", "-i", BUSYBOX, "tr", "a-z", "A-Z"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("dhow starts");
    child.stdin.take().expect("a pipe").write_all(b"from outside\n").expect("writes");
    let output = child.wait_with_output().expect("dhow ends");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "FROM OUTSIDE\n");
}

#[test]
fn a_bind_mount_shows_the_hosts_files() {
    let dhow = Dhow::new();
    need!(import_busybox(&dhow));
    let folder = context(&dhow, "shared", &[("file", "from the host\n")]);
    let volume = format!("{}:/mnt/shared", text(&folder));
    let script = "cat /mnt/shared/file; echo back > /mnt/shared/answer";
    assert_eq!(dhow.ok(["run", "--rm", "-v", &volume, BUSYBOX, "sh", "-c", script]), "from the host\n");
    assert_eq!(std::fs::read_to_string(folder.join("answer")).expect("the answer"), "back\n");
    let volume = format!("{}:/mnt/shared:ro", text(&folder));
    let finished = dhow.run(["run", "--rm", "-v", &volume, BUSYBOX, "touch", "/mnt/shared/no"]);
    assert_ne!(finished.code, Some(0), "a read-only volume was written");
}

#[test]
fn a_detached_container_is_listed_logged_stopped_and_removed() {
    let dhow = Dhow::new();
    need!(import_busybox(&dhow));
    let script = "trap 'echo stopping; exit 0' TERM; echo started; while :; do sleep 0.1; done";
    let id = dhow.ok(["run", "-d", "--name", "sailor", BUSYBOX, "sh", "-c", script]);
    assert_eq!(id.trim().len(), 64, "{id}");
    wait_for("the first line of the log", || dhow.ok(["logs", "sailor"]).contains("started"));
    let listed = dhow.ok(["ps", "--format", "{{.Names}} {{.Image}}"]);
    assert_eq!(listed, format!("sailor {BUSYBOX}\n"));
    dhow.ok(["stop", "-t", "5", "sailor"]);
    assert_eq!(dhow.ok(["ps", "-q"]), "");
    assert_eq!(dhow.ok(["logs", "sailor"]), "started\nstopping\n");
    let state = dhow.ok(["inspect", "--format", "{{.State.Status}} {{.State.ExitCode}}", "sailor"]);
    assert_eq!(state.trim(), "exited 0");
    dhow.ok(["rm", "sailor"]);
    assert_eq!(dhow.ok(["ps", "-a", "-q"]), "");
}

#[test]
fn images_of_the_hosts_programs_need_no_base() {
    let dhow = Dhow::new();
    dhow.ok(["image", "from-host", "--tag", "tools", "sh", "cat", "id"]);
    assert_eq!(dhow.ok(["run", "--rm", "tools", "sh", "-c", "echo works | cat"]), "works\n");
    let folder = context(&dhow, "derived", &[("Dockerfile", "FROM tools\nRUN echo built > /built\nCMD cat /built\n")]);
    dhow.ok(["build", "-t", "derived", text(&folder)]);
    assert_eq!(dhow.ok(["run", "--rm", "derived"]), "built\n");
}

/// Waits up to ten seconds for `what`.
pub(crate) fn wait_for(what: &str, mut reached: impl FnMut() -> bool) {
    let start = Instant::now();
    while !reached() {
        assert!(start.elapsed() < Duration::from_secs(10), "waited for {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
