//! `dhow exec`: further programs in a running container.

use std::io::Write;
use std::process::Stdio;

use crate::context::import_busybox;
use crate::dhow::{Dhow, Finished};
use crate::run::wait_for;
use crate::skip::need;
use crate::terminal::Terminal;

/// A container named `host` that runs.
fn start(dhow: &Dhow) -> Result<(), String> {
    import_busybox(dhow)?;
    let program = ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.1; done"];
    let options = ["run", "-d", "--name", "host", "-e", "A=1", "-w", "/tmp", "--hostname", "buoy", "busybox"];
    dhow.ok(options.iter().chain(&program));
    Ok(())
}

#[test]
fn a_program_runs_beside_the_first() {
    check_program(Dhow::new());
}

#[test]
fn so_it_does_for_an_ordinary_user() {
    check_program(need!(Dhow::as_ordinary_user()));
}

fn check_program(dhow: Dhow) {
    need!(start(&dhow));
    let script = "echo $A $B $(pwd) $(id -u):$(id -g) $HOSTNAME $HOME; echo oops >&2; exit 6";
    let finished = dhow.run(["exec", "host", "sh", "-c", script]);
    assert_eq!((finished.stdout.as_str(), finished.stderr.as_str()), ("1 /tmp 0:0 buoy /root\n", "oops\n"));
    assert_eq!(finished.code, Some(6));
    let options = ["exec", "-u", "7:8", "-w", "/bin", "-e", "A=2", "--env", "B=3", "host", "sh", "-c", script];
    assert_eq!(dhow.run(options).stdout, "2 3 /bin 7:8 buoy /\n");
    let mut child = dhow.command(["exec", "-i", "host", "sort", "-rn"]);
    let mut child = child.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("starts");
    child.stdin.take().expect("a pipe").write_all(b"1\n3\n2\n").expect("writes");
    assert_eq!(Finished::from(child.wait_with_output().expect("ends")).expect_success(), "3\n2\n1\n");
    dhow.ok(["exec", "-d", "host", "sh", "-c", "sleep 0.3; echo $PPID > /tmp/left; exec sleep 1000"]);
    wait_for("what it leaves", || dhow.run(["exec", "host", "cat", "/tmp/left"]).code == Some(0));
    dhow.ok(["stop", "host"]);
}

#[test]
fn what_cannot_be_started_has_dockers_codes() {
    let dhow = Dhow::new();
    need!(start(&dhow));
    let said = |words: &[&str], code: i32| {
        let finished = dhow.run(words);
        assert_eq!(finished.code, Some(code), "{words:?}: {}", finished.stderr);
        finished.stderr
    };
    assert!(said(&["exec", "host", "nothing"], 127).contains("`nothing`"));
    assert!(said(&["exec", "-d", "host", "nothing"], 127).contains("`nothing`"));
    assert!(said(&["exec", "host", "/tmp"], 126).contains("`/tmp`"));
    assert!(said(&["exec", "nobody", "true"], 125).contains("no such container: `nobody`"));
    assert!(said(&["exec", "-w", "tmp", "host", "true"], 125).contains("not an absolute path"));
    assert!(said(&["exec", "-it", "host", "true"], 125).contains("needs a terminal"));
    assert!(said(&["exec", "--privileged", "host", "true"], 125).contains("--privileged"));
    dhow.ok(["stop", "host"]);
    assert!(said(&["exec", "host", "true"], 125).contains("not running"));
}

#[test]
fn a_person_may_type() {
    let dhow = Dhow::new();
    need!(start(&dhow));
    let terminal = Terminal::run(&dhow.command(["exec", "-it", "host", "sh"]), (90, 20));
    terminal.until(|screen| screen.iter().any(|line| line.ends_with('#')));
    terminal.type_in("tty; stty size; cat\r");
    terminal.until(|screen| screen.iter().any(|line| line == "20 90"));
    // The program answers when it is there to be interrupted.
    terminal.type_in("hello\r");
    terminal.until(|screen| screen.iter().filter(|line| *line == "hello").count() == 2);
    terminal.resize((70, 30));
    terminal.type_in("\x03");
    terminal.until(|screen| screen.iter().filter(|line| line.ends_with('#')).count() == 1);
    terminal.type_in("stty size; exit 9\r");
    let left = terminal.end();
    assert!(
        left.text().contains("\n/dev/pts/0\n20 90\nhello\nhello\n") && left.text().contains("\n30 70\n"),
        "{}",
        left.text()
    );
    assert_eq!(left.code, Some(9), "{}", left.text());
    dhow.ok(["rm", "-f", "host"]);
}
