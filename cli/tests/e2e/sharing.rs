//! Work that is done once: identical steps in several stages and several processes, and files that are not read again.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::context::{BUSYBOX, context, import_busybox, text};
use crate::dhow::Dhow;
use crate::run::wait_for;
use crate::skip::{need, program};

/// What a build says while it waits for another one's step.
const WAITING: &str = "waiting for another build of the same step";

/// Starts a build whose progress goes to the file `log`.
fn start(dhow: &Dhow, folder: &Path, (name, log): (&str, &Path)) -> Child {
    let log = fs::File::create(log).expect("a log");
    dhow.command(["build", "--progress=plain", "-t", name, text(folder)])
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .expect("dhow starts")
}

fn says(log: &Path, words: &str) -> bool {
    fs::read_to_string(log).is_ok_and(|text| text.contains(words))
}

fn id(dhow: &Dhow, name: &str) -> String {
    dhow.ok(["images", "-q", "--no-trunc", name])
}

#[test]
fn two_processes_execute_a_step_once() {
    let dhow = Dhow::new();
    need!(import_busybox(&dhow));
    let dockerfile = format!("FROM {BUSYBOX}\nRUN sleep 1; head -c 8 /dev/urandom > /random\n");
    let folder = context(&dhow, "twice", &[("Dockerfile", &dockerfile)]);
    let logs = ["one", "two"].map(|name| dhow.folder().join(name));
    let mut builds = [("one", &logs[0]), ("two", &logs[1])].map(|(name, log)| start(&dhow, &folder, (name, log)));
    for build in &mut builds {
        assert!(build.wait().expect("dhow ends").success());
    }
    assert_eq!(id(&dhow, "one"), id(&dhow, "two"));
    let waited: Vec<_> = logs.iter().filter(|log| says(log, WAITING)).collect();
    assert_eq!(waited.len(), 1, "one of the two waited");
    assert!(says(waited[0], "CACHED"));
}

#[test]
fn who_waits_takes_over_from_one_that_was_killed() {
    let dhow = Dhow::new();
    need!(import_busybox(&dhow));
    let dockerfile = format!("FROM {BUSYBOX}\nRUN sleep 2; echo done > /made\nCMD cat /made\n");
    let folder = context(&dhow, "killed", &[("Dockerfile", &dockerfile)]);
    let logs = ["first", "second"].map(|name| dhow.folder().join(name));
    let mut first = start(&dhow, &folder, ("first", &logs[0]));
    wait_for("the first to run its step", || says(&logs[0], "RUN sleep"));
    let mut second = start(&dhow, &folder, ("second", &logs[1]));
    wait_for("the second to wait", || says(&logs[1], WAITING));
    let killed = Command::new("kill").args(["-s", "KILL", &first.id().to_string()]).status();
    assert!(killed.expect("kill runs").success());
    first.wait().expect("it ends");
    assert!(second.wait().expect("dhow ends").success(), "{:?}", fs::read_to_string(&logs[1]));
    assert!(!says(&logs[1], "CACHED"), "the second executed the step itself");
    assert_eq!(dhow.ok(["run", "--rm", "second"]), "done\n");
}

#[test]
fn identical_steps_of_two_stages_are_executed_once() {
    let dhow = Dhow::new();
    need!(import_busybox(&dhow));
    let run = "RUN sleep 0.3; head -c 8 /dev/urandom > /random";
    let dockerfile = format!(
        "FROM {BUSYBOX} AS a\n{run}\nFROM {BUSYBOX} AS b\n{run}\nFROM {BUSYBOX}\n\
         COPY --from=a /random /a\nCOPY --from=b /random /b\nRUN cmp /a /b\n"
    );
    let folder = context(&dhow, "stages", &[("Dockerfile", &dockerfile)]);
    dhow.ok(["build", text(&folder)]);
}

#[test]
fn a_build_without_changes_reads_no_file() {
    let strace = need!(program("strace"));
    let dhow = Dhow::new();
    need!(import_busybox(&dhow));
    let names: Vec<String> = (0..50).map(|number| format!("src/file-{number}")).collect();
    let dockerfile = format!("FROM {BUSYBOX}\nCOPY src /src/\nCOPY other /\n");
    let mut files: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "content")).collect();
    files.extend([("Dockerfile", dockerfile.as_str()), ("other", "one")]);
    let folder = context(&dhow, "unchanged", &files);
    // What was written within a tick of the clock before it is read is not remembered.
    std::thread::sleep(Duration::from_millis(100));
    let opened = |number: u32| {
        let log = dhow.folder().join(format!("trace-{number}"));
        let build = dhow.command(["build", "-t", "unchanged", text(&folder)]);
        let mut traced = Command::new(&strace);
        traced.args(["-f", "-e", "trace=open,openat,openat2", "-o"]).arg(&log).arg(build.get_program());
        let output = traced.args(build.get_args()).output().expect("strace runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let mut text = String::new();
        fs::File::open(&log).and_then(|mut file| file.read_to_string(&mut text)).expect("the trace");
        text.lines().filter(|line| line.contains("file-") && !line.contains("ENOENT")).count()
    };
    assert!(opened(1) >= 50, "the first build reads all files");
    assert_eq!(opened(2), 0, "the second build reads none");
    context(&dhow, "unchanged", &[("other", "two")]);
    assert_eq!(opened(3), 0, "nor does one that copies another file");
}
