//! The limits of `RUN`: the kernel holds them, and one that it cannot hold is an error that names the remedy.

use std::fs;
use std::path::{Path, PathBuf};

use crate::context::{BUSYBOX, context, import_busybox, text};
use crate::dhow::Dhow;
use crate::run::wait_for;
use crate::skip::{self, need};

/// What a build with `options` prints whose one step is `run`.
fn build(dhow: &Dhow, options: &[&str], run: &str) -> (Option<i32>, String) {
    let folder = context(dhow, "limits", &[("Dockerfile", &format!("FROM {BUSYBOX}\n{run}\n"))]);
    let built = dhow.run([&["build", "--no-cache", "--progress=plain"], options, &[text(&folder)]].concat());
    (built.code, built.stderr)
}

#[track_caller]
fn shows(dhow: &Dhow, options: &[&str], (run, expected): (&str, &str)) {
    let (code, output) = build(dhow, options, run);
    assert!(code == Some(0) && output.contains(expected), "{options:?}: no `{expected}` in\n{output}");
}

#[track_caller]
fn fails(dhow: &Dhow, options: &[&str], (run, words): (&str, &[&str])) {
    let (code, output) = build(dhow, options, run);
    assert_ne!(code, Some(0), "{options:?}\n{output}");
    for word in words {
        assert!(output.contains(word), "{options:?}: no `{word}` in\n{output}");
    }
}

/// A directory of the hierarchy of `controller`, of either version, that can be written; or why not.
fn hierarchy(controller: &str) -> Result<PathBuf, String> {
    skip::root()?;
    let mount = Path::new("/sys/fs/cgroup");
    let found = if mount.join("cgroup.controllers").exists() { mount.to_owned() } else { mount.join(controller) };
    let probe = found.join("dhow-probe");
    fs::create_dir(&probe).map_err(|error| format!("no cgroup of `{controller}` can be made: {error}"))?;
    fs::remove_dir(&probe).map_err(|error| error.to_string())?;
    Ok(found)
}

#[test]
fn limits_of_processes_and_files() {
    let dhow = Dhow::new();
    need!(import_busybox(&dhow));
    shows(&dhow, &["--ulimit", "nofile=77:99"], ("RUN echo $(ulimit -Sn)/$(ulimit -Hn)", "77/99"));
    let two = ["--ulimit", "core=0", "--ulimit", "nproc=500:600"];
    shows(&dhow, &two, ("RUN grep processes /proc/self/limits; echo core $(ulimit -c)", "core 0"));
    shows(&dhow, &two, ("RUN echo $(grep processes /proc/self/limits)", "Max processes 500 600"));
    fails(&dhow, &["--ulimit", "files=3"], ("RUN true", &["files", "hint"]));
    shows(&dhow, &["--shm-size", "3m"], ("RUN df -k /dev/shm", " 3072 "));
    shows(&dhow, &["--add-host", "db:10.1.2.3"], ("RUN cat /etc/hosts", "10.1.2.3\tdb"));
}

#[test]
fn memory() {
    need!(hierarchy("memory"));
    let dhow = Dhow::new();
    need!(import_busybox(&dhow));
    let eat = "RUN head -c 200m /dev/zero | tail -c 190m > /dev/null";
    fails(&dhow, &["--memory", "48m", "--memory-swap", "48m"], (eat, &["more memory", "50331648", "--memory"]));
    let file = "RUN cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null; true";
    let (code, output) = build(&dhow, &["--memory", "300m"], file);
    assert_eq!(code, Some(0), "{output}");
    fails(&dhow, &["--memory-swap", "48m"], ("RUN true", &["--memory"]));
}

/// The seconds that `times` tells of the shell itself: `0m0.10s 0m0.02s`.
fn work(output: &str) -> f64 {
    let seconds = |text: &str| text.strip_prefix("0m")?.strip_suffix('s')?.parse::<f64>().ok();
    let of_line = |line: &str| line.split_whitespace().filter_map(seconds).collect::<Vec<f64>>();
    let found = output.lines().map(of_line).find(|times| times.len() == 2);
    found.unwrap_or_else(|| panic!("no times in {output}")).iter().sum()
}

#[test]
fn processors() {
    need!(hierarchy("cpu"));
    let dhow = Dhow::new();
    need!(import_busybox(&dhow));
    // A twentieth of a processor: a tenth of a second of work takes two. The shell tells how much work it was, so that
    // a machine that is busy with other things decides nothing.
    let spin = "RUN i=0; while [ $i -lt 60000 ]; do i=$((i+1)); done; times";
    for options in
        [&["--cpus", "0.05"][..], &["--cpu-quota", "5000"], &["--cpu-period", "200000", "--cpu-quota", "10000"]]
    {
        let start = std::time::Instant::now();
        let (code, output) = build(&dhow, options, spin);
        assert_eq!(code, Some(0), "{output}");
        let (took, worked) = (start.elapsed().as_secs_f64(), work(&output));
        assert!(worked > 0.04 && took > worked / 0.05 * 0.6, "{options:?}: {worked} s of work took {took} s");
    }
    shows(
        &dhow,
        &["--cpu-shares", "512", "--cpuset-cpus", "0"],
        ("RUN grep Cpus_allowed_list /proc/self/status", "\t0"),
    );
    fails(&dhow, &["--cpuset-cpus", "4095"], ("RUN true", &["cpuset", "hint"]));
    fails(&dhow, &["--cpus", "1", "--cpu-quota", "5000"], ("RUN true", &["--cpu-quota"]));
}

#[test]
fn a_parent_of_control_groups() {
    let hierarchy = need!(hierarchy("memory"));
    let dhow = Dhow::new();
    need!(import_busybox(&dhow));
    let parent = hierarchy.join("dhow-test-parent");
    fs::create_dir_all(&parent).expect("a cgroup");
    let inside = || {
        let below = fs::read_dir(parent.join("dhow")).into_iter().flatten().flatten();
        below.map(|entry| fs::read_to_string(entry.path().join("cgroup.procs")).unwrap_or_default()).collect::<String>()
    };
    std::thread::scope(|scope| {
        let built = scope.spawn(|| build(&dhow, &["--cgroup-parent", "/dhow-test-parent"], "RUN sleep 2"));
        wait_for("a process in the cgroup", || !inside().is_empty());
        assert_eq!(built.join().expect("no panic").0, Some(0));
    });
    let left: Vec<_> = fs::read_dir(&parent).expect("the cgroup").flatten().filter(|e| e.path().is_dir()).collect();
    assert!(left.is_empty(), "{left:?}");
    fs::remove_dir(&parent).expect("the cgroup is empty");
    fails(&dhow, &["--cgroup-parent", "/dhow-test-parent"], ("RUN true", &["dhow-test-parent", "mkdir"]));
}

#[test]
fn insecure_steps_have_to_be_allowed() {
    need!(skip::root());
    let dhow = Dhow::new();
    need!(import_busybox(&dhow));
    let run = "RUN --security=insecure grep CapEff /proc/self/status";
    fails(&dhow, &[], (run, &["security.insecure", "--allow"]));
    let (_, plain) = build(&dhow, &[], "RUN grep CapEff /proc/self/status");
    let (code, privileged) = build(&dhow, &["--allow", "security.insecure"], run);
    assert_eq!(code, Some(0), "{privileged}");
    let capabilities = |output: &str| {
        let line = output.lines().find(|line| line.contains("CapEff:\t")).expect("a line").to_owned();
        u64::from_str_radix(line.rsplit('\t').next().expect("a number"), 16).expect("hexadecimal").count_ones()
    };
    assert!(capabilities(&privileged) > 30 && capabilities(&plain) < 20, "{privileged}\n{plain}");
    fails(&dhow, &["--allow", "security.everything"], ("RUN true", &["security.everything"]));
}
