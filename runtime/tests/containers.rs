//! Containers that outlive the process that started them.
#![allow(missing_docs, clippy::print_stderr)]

mod common;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use common::{BusyboxRoot, count_processes, example, wait_until, wants_root};
use dhow_runtime::{Container, ContainerConfig, ContainerStatus, Containers, Error, LogQuery, Signal};

/// A directory of containers, a root for them and the program that supervises them.
struct Yard {
    root: BusyboxRoot,
    directory: tempfile::TempDir,
    program: PathBuf,
}

impl Yard {
    fn new() -> Option<Self> {
        if !wants_root() {
            return None;
        }
        let (root, program) = (BusyboxRoot::new()?, example("container")?);
        Some(Self { root, directory: tempfile::tempdir().unwrap(), program })
    }

    fn set(&self) -> Containers {
        Containers::open(self.directory.path()).unwrap()
    }

    fn example(&self, words: &[&str]) -> Output {
        Command::new(&self.program).arg(self.directory.path()).args(words).output().unwrap()
    }

    /// Starts a line of shell in a detached container.
    fn detach(&self, name: &str, line: &str) -> Container {
        let root = self.root.path().to_str().unwrap();
        let output = self.example(&["detach", name, root, "sh", "-c", line]);
        assert!(output.status.success(), "{output:?}");
        self.set().find(name).unwrap()
    }
}

impl Drop for Yard {
    /// A test that fails leaves no container running.
    fn drop(&mut self) {
        for container in self.set().list().unwrap_or_default() {
            let _ = container.stop(Some(Signal::KILL), Duration::ZERO);
        }
    }
}

fn config(name: &str) -> ContainerConfig {
    ContainerConfig {
        id: String::new(),
        name: name.to_owned(),
        image: "busybox".to_owned(),
        image_id: String::new(),
        created: String::new(),
        command: vec!["true".to_owned()],
        terminal: false,
        interactive: false,
        auto_remove: false,
        stop_signal: "SIGTERM".to_owned(),
        labels: BTreeMap::new(),
        data: serde_json::Value::Null,
    }
}

fn logs(container: &Container) -> String {
    container.logs(LogQuery::default()).unwrap().map(|line| line.unwrap().text).collect()
}

#[test]
fn containers_are_found_by_name_and_by_the_beginning_of_their_id() {
    let directory = tempfile::tempdir().unwrap();
    let set = Containers::open(directory.path().join("deep/er")).unwrap();
    assert!(set.list().unwrap().is_empty());
    let first = set.create(config("first")).unwrap();
    let unnamed = set.create(config("")).unwrap();
    assert_eq!(first.config().id.len(), 64);
    assert!(unnamed.config().name.contains('_'));
    for reference in ["first", "/first", &first.config().id, &first.config().id[..12]] {
        assert_eq!(set.find(reference).unwrap().config(), first.config(), "{reference}");
    }
    let newest: Vec<String> = set.list().unwrap().iter().map(|container| container.config().name.clone()).collect();
    assert_eq!(newest, [unnamed.config().name.as_str(), "first"]);
    for (name, expected) in [
        ("first", format!("the container name `first` is already in use by container `{}`", first.config().id)),
        ("x", "invalid container name `x`".to_owned()),
        ("../x", "invalid container name `../x`".to_owned()),
        ("-xy", "invalid container name `-xy`".to_owned()),
    ] {
        assert_eq!(set.create(config(name)).unwrap_err().to_string(), expected);
    }
    for reference in ["", "nobody", "../first", "g00"] {
        assert!(matches!(set.find(reference), Err(Error::NoSuchContainer(_))), "{reference}");
    }
    first.remove().unwrap();
    assert!(matches!(set.find("first"), Err(Error::NoSuchContainer(_))));
    set.create(config("first")).unwrap();
}

#[test]
fn a_detached_container_runs_logs_and_stops() {
    let Some(yard) = Yard::new() else { return };
    let container = yard.detach(
        "ship",
        "trap 'echo bye; exit 3' TERM; echo hello; sleep 0.1; echo oops >&2; sleep 0.1; while :; do sleep 0.01; done",
    );
    let state = container.state().unwrap();
    assert_eq!(state.status, ContainerStatus::Running);
    assert!(Path::new(&format!("/proc/{}", state.pid.unwrap())).exists());
    wait_until(|| logs(&container) == "hello\noops\n");
    assert_eq!(container.wait_for(Duration::from_millis(20)).unwrap(), None);
    assert!(matches!(container.remove(), Err(Error::WrongState { .. })));
    let waiting = {
        let container = container.clone();
        std::thread::spawn(move || container.wait().unwrap())
    };
    container.stop(None, Duration::from_secs(10)).unwrap();
    assert_eq!(waiting.join().unwrap(), 3);
    let state = container.state().unwrap();
    assert_eq!((state.status, state.exit_code, state.pid), (ContainerStatus::Exited, Some(3), None));
    assert_eq!(logs(&container), "hello\noops\nbye\n");
    assert_eq!(container.wait().unwrap(), 3);
    assert!(container.signal(Signal::TERM).is_err());
    container.stop(None, Duration::ZERO).unwrap();
    container.remove().unwrap();
    assert_eq!(std::fs::read_dir(yard.directory.path()).unwrap().count(), 1);
}

#[test]
fn a_program_that_does_not_listen_is_killed() {
    let Some(yard) = Yard::new() else { return };
    let container = yard.detach("deaf", "sleep 72001");
    container.stop(Some(Signal::INT), Duration::from_millis(50)).unwrap();
    assert_eq!(container.state().unwrap().exit_code, Some(137));
    assert_eq!(count_processes("72001"), 0);
}

#[test]
fn a_container_whose_supervisor_is_killed_is_dead_and_shown_so() {
    let Some(yard) = Yard::new() else { return };
    let container = yard.detach("orphan", "sleep 72002");
    let pid = container.state().unwrap().pid.unwrap();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:")).unwrap().trim().to_owned();
    assert!(Command::new("kill").args(["-9", &parent]).status().unwrap().success());
    wait_until(|| !container.is_running());
    let state = container.state().unwrap();
    assert_eq!((state.status, state.exit_code), (ContainerStatus::Exited, Some(137)));
    assert!(state.error.is_some());
    wait_until(|| count_processes("72002") == 0);
    assert_eq!(container.wait().unwrap(), 137);
    container.remove().unwrap();
}

#[test]
fn a_container_that_cannot_start_says_why() {
    let Some(yard) = Yard::new() else { return };
    let root = yard.root.path().to_str().unwrap();
    let output = yard.example(&["detach", "lost", root, "/no/such"]);
    assert_eq!(output.status.code(), Some(127));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(said, "error: cannot start the container: cannot execute `/no/such`: no such file or directory\n");
    let state = yard.set().find("lost").unwrap().state().unwrap();
    assert_eq!((state.status, state.exit_code), (ContainerStatus::Exited, Some(127)));
}

#[test]
fn followers_see_all_until_the_end() {
    let Some(yard) = Yard::new() else { return };
    let container = yard.detach("talker", "for i in 1 2 3 4 5; do echo $i; sleep 0.03; done; echo -n last");
    let query = LogQuery { follow: Some(container.clone()), ..LogQuery::default() };
    let said: String = container.logs(query).unwrap().map(|line| line.unwrap().text).collect();
    assert_eq!(said, "1\n2\n3\n4\n5\nlast");
}

#[test]
fn in_the_foreground_streams_and_the_exit_code_pass_through() {
    let Some(yard) = Yard::new() else { return };
    let script = format!(
        "printf 'line one\\nline two' | {} {} run --rm front {} sh -c 'cat; echo err >&2; exit 9'",
        yard.program.display(),
        yard.directory.path().display(),
        yard.root.path().display()
    );
    let output = Command::new("sh").args(["-c", &script]).output().unwrap();
    assert_eq!(output.status.code(), Some(9));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "line one\nline two");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "err\n");
    assert!(yard.set().list().unwrap().is_empty());
    // A reader that goes away ends the program as it would without a container between.
    let script = script.replace("sh -c 'cat; echo err >&2; exit 9'", "yes 72003 | head -2");
    let output = Command::new("sh").args(["-c", &script]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "72003\n72003\n");
    wait_until(|| count_processes("72003") == 0);
}

#[test]
fn signals_to_the_foreground_reach_the_program() {
    let Some(yard) = Yard::new() else { return };
    let root = yard.root.path().to_str().unwrap();
    let line = "trap 'exit 6' INT; touch /ready; while :; do sleep 0.01; done";
    let mut command = Command::new(&yard.program);
    command.arg(yard.directory.path()).args(["run", "front", root, "sh", "-c", line]);
    let mut child = command.stdin(std::process::Stdio::null()).spawn().unwrap();
    wait_until(|| yard.root.path().join("ready").exists());
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(6));
    // Three times is enough for a program that does not listen.
    let mut command = Command::new(&yard.program);
    command.arg(yard.directory.path()).args(["run", "stubborn", root, "sleep", "72004"]);
    let mut child = command.stdin(std::process::Stdio::null()).spawn().unwrap();
    wait_until(|| count_processes("72004") == 2);
    for _ in 0..3 {
        assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(child.wait().unwrap().code(), Some(137));
}

#[test]
fn another_program_runs_in_a_container() {
    let Some(yard) = Yard::new() else { return };
    let container = yard.detach("host", "echo up; sleep 72005");
    let run = |words: &[&str]| {
        let output = yard.example(words);
        let said = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8_lossy(&said).into_owned())
    };
    let line = "ps | grep -c '[7]2005'; ls /proc/self/fd | wc -l; echo oops >&2; exit 6";
    assert_eq!(run(&["exec", "host", "sh", "-c", line]), (Some(6), "1\n4\noops\n".to_owned()));
    assert_eq!(run(&["exec-terminal", "host", "tty"]), (Some(0), "/dev/pts/0\r\n".to_owned()));
    let missing = "error: cannot execute `nothing`: executable file not found in `PATH` (`/bin`)\n";
    assert_eq!(run(&["exec", "host", "nothing"]), (Some(127), missing.to_owned()));
    let script = format!(
        "seq 1 20000 | {} {} exec host sh -c 'sort -rn | head -1'",
        yard.program.display(),
        yard.directory.path().display()
    );
    let output = Command::new("sh").args(["-c", &script]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "20000\n");
    let program = yard.program.clone();
    let directory = yard.directory.path().to_owned();
    let held = std::thread::spawn(move || {
        Command::new(program).arg(directory).args(["exec", "host", "sleep", "72006"]).status().unwrap().code()
    });
    wait_until(|| count_processes("72006") == 2);
    container.stop(None, Duration::ZERO).unwrap();
    assert_eq!(held.join().unwrap(), Some(137));
    assert_eq!(run(&["exec", "host", "true"]).0, Some(125));
    assert_eq!(count_processes("72005") + count_processes("72006"), 0);
}
