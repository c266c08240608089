//! How sandboxes end, and that nothing stays behind.
#![allow(missing_docs, clippy::print_stderr)]

mod common;

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio as ProcessStdio};
use std::time::{Duration, Instant};

use common::{BusyboxRoot, count_processes, example, run, wait_until, wants_root};
use dhow_runtime::{ExitStatus, Sandbox, Signal, Stdio, WindowSize, set_window_size};

fn mounts() -> String {
    fs::read_to_string("/proc/self/mountinfo").unwrap()
}

#[test]
fn signals_reach_the_program_and_kill_ends_all() {
    if !wants_root() {
        return;
    }
    let Some(root) = BusyboxRoot::new() else { return };
    let line = "trap 'echo caught; exit 5' TERM; sleep 71001 & echo ready; while :; do sleep 0.01; done";
    for (signal, expected) in [(Signal::TERM, ExitStatus::Code(5)), (Signal::KILL, ExitStatus::Signal(9))] {
        let mut running = Sandbox::create(root.shell(line), Stdio::output()).unwrap().start().unwrap();
        let mut stdout = File::from(running.take_stdout().unwrap());
        let mut ready = [0; 6];
        stdout.read_exact(&mut ready).unwrap();
        assert!(!running.has_ended_within(Duration::from_millis(10)).unwrap());
        let signaller = running.signaller().unwrap();
        std::thread::spawn(move || signaller.signal(signal).unwrap());
        assert_eq!(running.wait().unwrap().status, expected);
        assert_eq!(count_processes("71001"), 0);
    }
}

#[test]
fn what_is_dropped_is_gone() {
    if !wants_root() {
        return;
    }
    let Some(root) = BusyboxRoot::new() else { return };
    let before = (root.listing(), mounts());
    let created = Sandbox::create(root.bundle(&["sleep", "71002"]), Stdio::output()).unwrap();
    assert!(Path::new(&format!("/proc/{}", created.pid())).exists());
    drop(created);
    let running = Sandbox::create(root.bundle(&["sleep", "71002"]), Stdio::output()).unwrap().start().unwrap();
    assert_eq!(count_processes("71002"), 1);
    drop(running);
    assert_eq!(count_processes("71002"), 0);
    assert_eq!((root.listing(), mounts()), before);
}

#[test]
fn a_parent_that_is_killed_takes_everything_with_it() {
    if !wants_root() {
        return;
    }
    let (Some(root), Some(example)) = (BusyboxRoot::new(), example("sandbox")) else { return };
    let before = mounts();
    for options in [&["--network", "none"][..], &["--user", "alice"], &["--memory", "50000000"]] {
        let mut child = Command::new(&example)
            .args(options)
            .arg(root.path())
            .args(["sh", "-c", "sleep 71003 & sleep 71003"])
            .spawn()
            .unwrap();
        wait_until(|| count_processes("71003") >= 2);
        child.kill().unwrap();
        child.wait().unwrap();
        wait_until(|| count_processes("71003") == 0);
        assert_eq!(mounts(), before);
    }
    // The cgroup of the last one is removed by the next sandbox that needs one.
    let status = Command::new(&example).args(["--memory", "50000000"]).arg(root.path()).arg("true").status().unwrap();
    assert!(status.success());
    for hierarchy in ["memory/dhow", "dhow"] {
        let left = fs::read_dir(Path::new("/sys/fs/cgroup").join(hierarchy)).into_iter().flatten().flatten();
        let mine = format!("{}-", child_marker());
        assert_eq!(left.filter(|entry| entry.file_name().to_string_lossy().starts_with(&mine)).count(), 0);
    }
}

/// Cgroups are named after their maker; none of this test's own stay.
fn child_marker() -> u32 {
    std::process::id()
}

#[test]
fn a_limit_of_memory_holds_and_is_reported() {
    if !wants_root() {
        return;
    }
    let Some(root) = BusyboxRoot::new() else { return };
    let mut bundle = root.shell("dd if=/dev/zero of=/dev/null bs=200M count=1 2>/dev/null; exit $?");
    bundle.resources.memory = Some(64 << 20);
    bundle.resources.pids = Some(20);
    let outcome = match run(bundle) {
        Err(error) if error.to_string().starts_with("cannot limit") => {
            eprintln!("SKIP: {error}");
            return;
        }
        other => other.unwrap(),
    };
    assert_eq!(outcome.exit.status.code(), 137);
    assert!(outcome.exit.usage.out_of_memory_kills >= 1);
    assert!(outcome.exit.usage.peak_memory > 32 << 20 && outcome.exit.usage.peak_memory <= 64 << 20);
    let mut bundle = root.shell("for i in 1 2 3 4 5 6 7 8 9; do sleep 5 & done; echo unreachable");
    bundle.resources.pids = Some(4);
    assert!(run(bundle).unwrap().stderr.contains("can't fork"));
}

#[test]
fn a_terminal_is_real() {
    if !wants_root() {
        return;
    }
    let Some(root) = BusyboxRoot::new() else { return };
    let line =
        "tty; stty size; test -c /dev/console && echo console; read x; stty size; echo got $x; test -t 2 && echo yes";
    let size = WindowSize { rows: 31, columns: 101 };
    let mut running = Sandbox::create(root.shell(line), Stdio::Terminal(size)).unwrap().start().unwrap();
    let mut terminal = File::from(running.take_terminal().unwrap());
    let mut said = Vec::new();
    let mut buffer = [0; 1024];
    while let Ok(count @ 1..) = terminal.read(&mut buffer) {
        said.extend_from_slice(&buffer[..count]);
        if said.ends_with(b"console\r\n") {
            set_window_size(&terminal, WindowSize { rows: 11, columns: 22 }).unwrap();
            terminal.write_all(b"word\n").unwrap();
        }
    }
    assert_eq!(running.wait().unwrap().status, ExitStatus::Code(0));
    let said = String::from_utf8(said).unwrap().replace('\r', "");
    assert_eq!(said, "/dev/pts/0\n31 101\nconsole\nword\n11 22\ngot word\nyes\n");
}

#[test]
fn input_flows_in() {
    if !wants_root() {
        return;
    }
    let Some(root) = BusyboxRoot::new() else { return };
    let mut running = Sandbox::create(root.shell("tr a-z A-Z"), Stdio::pipes()).unwrap().start().unwrap();
    let mut stdin = File::from(running.take_stdin().unwrap());
    let mut stdout = File::from(running.take_stdout().unwrap());
    stdin.write_all(b"hello").unwrap();
    drop(stdin);
    let mut said = String::new();
    stdout.read_to_string(&mut said).unwrap();
    assert_eq!(said, "HELLO");
    assert!(running.wait().unwrap().status.success());
}

#[test]
fn many_threads_run_sandboxes_at_once() {
    if !wants_root() {
        return;
    }
    let roots: Vec<BusyboxRoot> = (0..6).map_while(|_| BusyboxRoot::new()).collect();
    let begin = Instant::now();
    std::thread::scope(|scope| {
        for root in &roots {
            scope.spawn(|| {
                for number in 0..15 {
                    let outcome = run(root.shell(&format!("echo {number}; exit {number}"))).unwrap();
                    assert_eq!((outcome.stdout, outcome.exit.status.code()), (format!("{number}\n"), number));
                }
            });
            // Memory that is being allocated meanwhile must not matter to the children.
            scope.spawn(|| (0..20_000_usize).map(|size| vec![1_u8; size].len()).sum::<usize>());
        }
    });
    assert!(begin.elapsed() < Duration::from_secs(60));
}

#[test]
fn inherited_files_do_not_leak() {
    if !wants_root() {
        return;
    }
    let (Some(root), Some(example)) = (BusyboxRoot::new(), example("sandbox")) else { return };
    let script = format!("exec 7</etc/passwd; {} {} ls /proc/self/fd", example.display(), root.path().display());
    let output = Command::new("sh").args(["-c", &script]).stderr(ProcessStdio::inherit()).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "0\n1\n2\n3\n");
}

#[test]
fn a_chroot_is_no_obstacle_and_no_way_out() {
    if !wants_root() {
        return;
    }
    let (Some(root), Some(outer), Some(example)) = (BusyboxRoot::new(), BusyboxRoot::new(), example("sandbox")) else {
        return;
    };
    let program = example.to_str().unwrap();
    if !outer.add_host_program(program) {
        return;
    }
    let inner = outer.path().join("inner");
    assert!(Command::new("cp").arg("-a").arg(root.path()).arg(&inner).status().unwrap().success());
    let line = "echo in; ls /; grep -c ' / / ' /proc/self/mountinfo; mkdir /tmp/x; \
                chroot /tmp/x /bin/true 2>/dev/null; cd ../../../..; ls -d inner 2>/dev/null";
    let output = Command::new("chroot")
        .arg(outer.path())
        .args([program, "--network", "none", "/inner", "sh", "-c", line])
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).replace('\n', " ");
    assert_eq!(said, "in bin dev etc home proc root sys tmp 0 ");
}

#[test]
fn another_program_enters_a_sandbox() {
    if !wants_root() {
        return;
    }
    let Some(root) = BusyboxRoot::new() else { return };
    let mut bundle = root.shell("echo ready; sleep 71005");
    bundle.hostname = Some("first".to_owned());
    bundle.network = dhow_runtime::Network::None;
    let mut running = Sandbox::create(bundle, Stdio::output()).unwrap().start().unwrap();
    let mut ready = [0; 6];
    File::from(running.take_stdout().unwrap()).read_exact(&mut ready).unwrap();
    let enter = |args: &[&str], stdio: Stdio| {
        let mut process = dhow_runtime::Process::new(args);
        process.env = vec!["PATH=/bin".into()];
        let created = running.enter(&process, dhow_runtime::Seccomp::Default, stdio);
        created.and_then(dhow_runtime::Created::start)
    };
    let line = "hostname; ip -o addr | grep -c inet; ps | grep -c '[7]1005'; grep -E '^(CapEff|Seccomp):' /proc/self/status; exit 8";
    let mut second = enter(&["sh", "-c", line], Stdio::output()).unwrap();
    let mut said = String::new();
    File::from(second.take_stdout().unwrap()).read_to_string(&mut said).unwrap();
    assert_eq!(said, "first\n2\n1\nCapEff:\t00000000a80425fb\nSeccomp:\t2\n");
    assert_eq!(second.wait().unwrap().status, ExitStatus::Code(8));

    let mut third =
        enter(&["sh", "-c", "tty; stty size"], Stdio::Terminal(WindowSize { rows: 9, columns: 19 })).unwrap();
    let mut said = Vec::new();
    let _ = File::from(third.take_terminal().unwrap()).read_to_end(&mut said);
    assert_eq!(String::from_utf8(said).unwrap(), "/dev/pts/0\r\n9 19\r\n");
    assert!(third.wait().unwrap().status.success());

    let error = enter(&["nothing"], Stdio::output()).unwrap_err();
    assert_eq!(error.to_string(), "cannot execute `nothing`: executable file not found in `PATH` (`/bin`)");
    let last = enter(&["sleep", "71006"], Stdio::output()).unwrap();
    running.kill().unwrap();
    assert_eq!(last.wait().unwrap().status, ExitStatus::Signal(9));
    running.wait().unwrap();
    assert_eq!(count_processes("71005") + count_processes("71006"), 0);
}
