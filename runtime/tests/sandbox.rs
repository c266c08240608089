//! What a program finds in a sandbox, over a busybox root.
#![allow(missing_docs, clippy::print_stderr)]

mod common;

use std::fs;
use std::path::Path;

use common::{BusyboxRoot, run, wants_root};
use dhow_runtime::{
    Access, Bundle, Capability, ExitStatus, Mount, Network, Privileges, Rlimit, RlimitResource, Seccomp, User,
};

/// Runs a line of shell in a changed default bundle, and gives what it printed.
fn say(change: impl FnOnce(&mut Bundle), line: &str) -> Option<String> {
    if !wants_root() {
        return None;
    }
    let root = BusyboxRoot::new()?;
    let mut bundle = root.shell(line);
    change(&mut bundle);
    let outcome = run(bundle).unwrap();
    Some(format!("{}{}", outcome.stdout, outcome.stderr))
}

/// Checks that every line is printed by its line of shell.
fn check(cases: &[(&str, &str)]) {
    for (line, expected) in cases {
        let Some(said) = say(|_| (), line) else { return };
        assert_eq!(said.trim_end(), *expected, "{line}");
    }
}

#[test]
fn exit_codes_and_signals_come_back() {
    if !wants_root() {
        return;
    }
    let Some(root) = BusyboxRoot::new() else { return };
    for (line, expected) in [
        ("exit 0", ExitStatus::Code(0)),
        ("exit 7", ExitStatus::Code(7)),
        ("exit 255", ExitStatus::Code(255)),
        // Process 1 cannot be killed from inside; its shell reports the child's signal.
        ("sh -c 'kill -9 $$'; exit $?", ExitStatus::Code(137)),
    ] {
        assert_eq!(run(root.shell(line)).unwrap().exit.status, expected, "{line}");
    }
}

#[test]
fn the_program_gets_its_environment_directory_and_arguments() {
    let change = |bundle: &mut Bundle| {
        bundle.process.env = vec!["PATH=/bin".into(), "GREETING=hello  world".into()];
        bundle.process.cwd = "/made/for/it".into();
        bundle.hostname = Some("harbour".to_owned());
    };
    let Some(said) = say(change, "echo \"$GREETING|$(pwd)|$(hostname)|$#|$(umask)|$$\"; env | wc -l") else { return };
    assert_eq!(said, "hello  world|/made/for/it|harbour|0|0022|1\n4\n");
}

#[test]
fn the_program_runs_as_its_user() {
    let change = |bundle: &mut Bundle| {
        bundle.process.user = User { uid: 1000, gid: 1000, additional_gids: vec![50], home: "/home/alice".into() };
    };
    let line = "id; grep -E '^Cap(Eff|Prm|Bnd|Inh|Amb)' /proc/self/status; echo again > /dev/stdout";
    let Some(said) = say(change, line) else { return };
    assert_eq!(
        said,
        "uid=1000(alice) gid=1000(alice) groups=50(staff)\nCapInh:\t0000000000000000\nCapPrm:\t0000000000000000\n\
         CapEff:\t0000000000000000\nCapBnd:\t00000000a80425fb\nCapAmb:\t0000000000000000\nagain\n"
    );
}

#[test]
fn set_user_id_programs_work_unless_forbidden() {
    if !wants_root() {
        return;
    }
    let Some(root) = BusyboxRoot::new() else { return };
    // Busybox gives the rights of its file up by itself, dash with -p does not.
    if !root.add_host_program("/bin/dash") {
        return;
    }
    fs::set_permissions(root.path().join("bin/dash"), std::os::unix::fs::PermissionsExt::from_mode(0o4755)).unwrap();
    let script =
        "while read name real effective rest; do test $name = Uid: && echo $real $effective; done < /proc/self/status";
    for (privileges, expected) in [(Privileges::MayGain, "1000 0\n"), (Privileges::NoNew, "1000 1000\n")] {
        let mut bundle = root.bundle(&["/bin/dash", "-p", "-c", script]);
        bundle.process.user = User { uid: 1000, gid: 1000, additional_gids: vec![], home: "/".into() };
        bundle.process.privileges = privileges;
        assert_eq!(run(bundle).unwrap().stdout, expected, "{privileges:?}");
    }
}

#[test]
fn root_has_dockers_capabilities_and_filter() {
    check(&[
        ("grep -E '^Cap(Eff|Prm|Bnd)' /proc/self/status | sort -u | wc -l", "3"),
        ("grep CapEff /proc/self/status", "CapEff:\t00000000a80425fb"),
        ("grep -E '^(Seccomp|NoNewPrivs):' /proc/self/status", "NoNewPrivs:\t0\nSeccomp:\t2"),
        ("unshare -m true 2>&1", "unshare: unshare(0x20000): Operation not permitted"),
        ("mount -t tmpfs x /tmp 2>&1 | grep -o -i 'permission denied\\|not permitted'", "permission denied"),
        ("mknod /tmp/null c 1 3 && echo made", "made"),
    ]);
}

#[test]
fn no_signal_is_blocked_or_ignored() {
    if !wants_root() {
        return;
    }
    let Some(root) = BusyboxRoot::new() else { return };
    let outcome = run(root.bundle(&["grep", "-E", "^Sig(Blk|Ign):", "/proc/self/status"])).unwrap();
    assert_eq!(outcome.stdout, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
}

#[test]
fn capabilities_and_the_filter_can_be_changed() {
    let add = |bundle: &mut Bundle| {
        bundle.process.capabilities = bundle.process.capabilities.with(Capability::SYS_ADMIN);
    };
    let Some(said) = say(add, "unshare -m true && echo done") else { return };
    assert_eq!(said, "done\n");
    let Some(said) = say(|bundle| bundle.seccomp = Seccomp::Unconfined, "grep Seccomp: /proc/self/status") else {
        return;
    };
    assert_eq!(said, "Seccomp:\t0\n");
    if !wants_root() {
        return;
    }
    let Some(root) = BusyboxRoot::new() else { return };
    let bundle = root.shell("mount -t tmpfs x /tmp && mount -o remount,rw /sys && echo done").privileged();
    assert_eq!(run(bundle).unwrap().stdout, "done\n");
}

#[test]
fn the_tree_is_dockers() {
    check(&[
        (
            "ls /dev | grep -vx core | tr '\\n' ' '",
            "fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero",
        ),
        ("stat -c '%a %t,%T' /dev/null /dev/tty", "666 1,3\n666 5,0"),
        ("echo x > /dev/null; head -c 3 /dev/zero | wc -c; head -c 3 /dev/urandom | wc -c", "3\n3"),
        ("cat /proc/keys /proc/timer_list /proc/interrupts 2>/dev/null | wc -c", "0"),
        ("ls /sys/firmware /proc/acpi 2>/dev/null | grep -v : | wc -w", "0"),
        ("touch /sys/x 2>&1 | grep -o 'Read-only.*'", "Read-only file system"),
        ("sh -c 'echo 1 > /proc/sys/kernel/panic' 2>&1 | grep -o 'Read-only.*'", "Read-only file system"),
        ("set -- /proc/[0-9]*; echo $#", "1"),
        ("touch /tmp/x && rm /tmp/x && echo writable", "writable"),
        ("grep ' /dev/shm ' /proc/mounts | grep -o 'size=[0-9]*k'", "size=65536k"),
        ("ls /proc/self/fd | tr '\\n' ' '", "0 1 2 3"),
    ]);
}

#[test]
fn the_network_is_its_own_or_the_hosts() {
    let Some(said) =
        say(|bundle| bundle.network = Network::None, "ip -o addr | grep -o 'inet [^ ]*'; ip link | grep -c mtu")
    else {
        return;
    };
    assert_eq!(said, "inet 127.0.0.1/8\n1\n");
    let host = fs::read_link("/proc/self/ns/net").unwrap();
    let Some(said) = say(|_| (), "readlink /proc/self/ns/net") else { return };
    assert_eq!(said.trim_end(), host.to_str().unwrap());
    let Some(said) = say(|_| (), "for n in mnt pid ipc uts cgroup; do readlink /proc/self/ns/$n; done") else { return };
    for (name, inside) in ["mnt", "pid", "ipc", "uts", "cgroup"].iter().zip(said.lines()) {
        assert_ne!(fs::read_link(format!("/proc/self/ns/{name}")).unwrap().to_str().unwrap(), inside);
    }
}

#[test]
fn mounts_appear_and_leave_no_trace() {
    if !wants_root() {
        return;
    }
    let Some(root) = BusyboxRoot::new() else { return };
    let host = tempfile::tempdir().unwrap();
    fs::write(host.path().join("file"), "from the host\n").unwrap();
    let before = root.listing();
    let mut bundle = root.shell(
        "cat /etc/resolv.conf /etc/hosts /data/file; echo x > /etc/hosts && echo -n hosts-; \
         touch /data/new && echo -n data-; touch /fixed/new 2>&1 | grep -o Read-only; touch /scratch/a && echo scratch; \
         cat /scratch/inner/file; stat -c '%a %u' /run/secrets/key; touch /run/secrets/key 2>&1 | grep -o Read-only",
    );
    let key = dhow_runtime::MountSource::File { content: b"secret".to_vec(), mode: 0o400, owner: (7, 8) };
    bundle.mounts.extend([
        Mount::file("nameserver 1.1.1.1\n", "/etc/resolv.conf").read_only(),
        Mount::file("127.0.0.1 localhost\n", "/etc/hosts"),
        Mount::bind(host.path(), "/data"),
        Mount::bind(host.path(), "/fixed").read_only(),
        Mount::tmpfs("/scratch"),
        Mount::bind(host.path().join("file"), "/scratch/inner/file"),
        Mount::new(key, "/run/secrets/key").read_only(),
    ]);
    let outcome = run(bundle).unwrap();
    assert_eq!(
        outcome.stdout,
        "nameserver 1.1.1.1\n127.0.0.1 localhost\nfrom the host\nhosts-data-Read-only\nscratch\nfrom the host\n\
         400 7\nRead-only\n",
        "{}",
        outcome.stderr
    );
    assert_eq!(root.listing(), before);
    assert!(host.path().join("new").exists());
}

#[test]
fn what_a_program_leaves_in_a_mount_point_stays() {
    if !wants_root() {
        return;
    }
    let Some(root) = BusyboxRoot::new() else { return };
    let mut bundle = root.shell("touch /opt/cache/../kept; echo done");
    bundle.mounts.push(Mount::tmpfs("/opt/cache"));
    assert_eq!(run(bundle).unwrap().stdout, "done\n");
    assert!(root.path().join("opt/kept").exists());
    assert!(!root.path().join("opt/cache").exists() && !root.path().join("proc").exists());
}

#[test]
fn a_read_only_root_cannot_be_written() {
    let line = "touch /x 2>&1 | grep -o Read-only; touch /dev/shm/x && echo shm";
    let Some(said) = say(|bundle| bundle.root_access = Access::ReadOnly, line) else { return };
    assert_eq!(said, "Read-only\nshm\n");
}

#[test]
fn limits_hold() {
    let limit = |bundle: &mut Bundle| {
        let resource = RlimitResource::Nofile;
        bundle.process.rlimits = vec![Rlimit { resource, soft: Some(77), hard: Some(99) }];
        bundle.process.oom_score_adj = Some(321);
    };
    let Some(said) = say(limit, "ulimit -S -n; ulimit -H -n; cat /proc/self/oom_score_adj") else { return };
    assert_eq!(said, "77\n99\n321\n");
}

#[test]
fn nothing_of_the_host_can_be_reached() {
    let host = tempfile::tempdir().unwrap();
    fs::write(host.path().join("secret"), "").unwrap();
    let path = host.path().join("secret").display().to_string();
    let line = format!(
        "ls {path} 2>&1 | grep -c 'No such'; grep -c {} /proc/self/mountinfo; cd /; ls ../../../..{path} 2>&1 | grep -c 'No such'; \
         mkdir -p /tmp/j; chroot /tmp/j /bin/true 2>/dev/null; ls /proc/1/root{path} 2>&1 | grep -c 'No such'",
        host.path().display()
    );
    let Some(said) = say(|_| (), &line) else { return };
    assert_eq!(said, "1\n0\n1\n1\n");
    assert!(Path::new(&path).exists());
}
