//! The same sandboxes for users who are not root: with subordinate ids and with a single one.
#![allow(missing_docs, clippy::print_stderr)]

mod common;

use std::process::Command;

use common::{BusyboxRoot, User, count_processes, wait_until, wants_root};

/// Runs the example `sandbox` as a user over a root of its own; its code, and all that it said.
fn sandbox(user: User, options: &[&str], command: &[&str]) -> Option<(i32, String)> {
    let root = BusyboxRoot::new()?;
    let program = user.example("sandbox", root.path())?;
    let output = user.command(&program).args(options).arg(root.path()).args(command).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    Some((output.status.code().unwrap_or(-1), String::from_utf8_lossy(&said).into_owned()))
}

#[test]
fn the_rung_is_told_with_its_reason() {
    if !wants_root() {
        return;
    }
    for (user, expected) in [
        (User::WithSubordinateIds, "user namespace with subordinate ids: dhow runs as an ordinary user\n"),
        (
            User::WithoutAccount,
            "user namespace with a single id: user `54321` has no subordinate ids in /etc/subuid; \
                                add a line such as `54321:100000:65536`\n",
        ),
    ] {
        let Some(outcome) = sandbox(user, &["--privilege"], &["true"]) else { return };
        assert_eq!(outcome, (0, expected.to_owned()));
    }
}

#[test]
fn a_sandbox_is_the_same_for_every_user() {
    let cases: [(&[&str], &str, i32, &str); 9] = [
        (&[], "id -u; id -g; exit 3", 3, "0\n0\n"),
        (&[], "echo $(hostname) $$; ls /dev | grep -vcx core", 0, "sandbox 1\n14\n"),
        (&[], "echo x > /dev/null && head -c 2 /dev/zero | wc -c", 0, "2\n"),
        (&[], "cat /proc/keys /proc/timer_list 2>/dev/null | wc -c", 0, "0\n"),
        (&[], "touch /sys/x 2>&1 | grep -o Read-only; touch /tmp/x && echo made", 0, "Read-only\nmade\n"),
        (
            &[],
            "grep -E '^(CapEff|CapBnd|Seccomp):' /proc/self/status | cut -f2 | tr '\\n' ' '",
            0,
            "00000000a80425fb 00000000a80425fb 2 ",
        ),
        (&["--network", "none"], "ip -o addr | grep -o 'inet [^ ]*'; ls /sys/class/net", 0, "inet 127.0.0.1/8\nlo\n"),
        (
            &["--file", "/etc/resolv.conf=hello", "--file", "/new/dir/file=x"],
            "cat /etc/resolv.conf /new/dir/file",
            0,
            "hellox",
        ),
        (
            &[],
            "mount -t tmpfs x /tmp 2>/dev/null || echo refused; unshare -U true 2>/dev/null || echo refused",
            0,
            "refused\nrefused\n",
        ),
    ];
    for user in [User::WithSubordinateIds, User::WithoutAccount] {
        for (options, line, code, expected) in cases {
            let Some(outcome) = sandbox(user, options, &["sh", "-c", line]) else { continue };
            assert_eq!(outcome, (code, expected.to_owned()), "{user:?}: {line}");
        }
    }
}

#[test]
fn other_users_exist_with_subordinate_ids_only() {
    let line = ["sh", "-c", "id -u; touch /tmp/x; stat -c %u /tmp/x"];
    let Some(outcome) = sandbox(User::WithSubordinateIds, &["--user", "alice"], &line) else { return };
    assert_eq!(outcome, (0, "1000\n1000\n".to_owned()));
    let Some((code, said)) = sandbox(User::WithoutAccount, &["--user", "alice"], &line) else { return };
    assert_eq!(code, 125);
    assert!(said.contains("cannot become group 1000 in the sandbox") && said.contains("uidmap"), "{said}");
}

#[test]
fn a_terminal_works_for_every_user() {
    for user in [User::WithSubordinateIds, User::WithoutAccount] {
        let Some(outcome) = sandbox(user, &["--terminal"], &["sh", "-c", "tty; stty size"]) else { continue };
        assert_eq!(outcome, (0, "/dev/pts/0\r\n33 77\r\n".to_owned()), "{user:?}");
    }
}

#[test]
fn limits_that_cannot_hold_are_errors() {
    let Some((code, said)) = sandbox(User::WithSubordinateIds, &["--memory", "50000000"], &["true"]) else { return };
    assert!(code == 125 && said.starts_with("error: cannot limit memory: "), "{said}");
}

#[test]
fn nothing_stays_when_the_outer_process_is_killed_or_asked_to_end() {
    for (signal, word) in [("KILL", "73001"), ("TERM", "73002")] {
        for user in [User::WithSubordinateIds, User::WithoutAccount] {
            let Some(root) = BusyboxRoot::new() else { return };
            let Some(program) = user.example("sandbox", root.path()) else { continue };
            let line = format!("sleep {word} & sleep {word}");
            let mut child = user.command(&program).arg(root.path()).args(["sh", "-c", &line]).spawn().unwrap();
            wait_until(|| count_processes(word) >= 2);
            let kill = Command::new("kill").args([format!("-{signal}"), child.id().to_string()]).status();
            assert!(kill.unwrap().success());
            let code = child.wait().unwrap().code();
            assert_eq!(code, if signal == "KILL" { None } else { Some(137) }, "{user:?}");
            wait_until(|| count_processes(word) == 0);
        }
    }
}

#[test]
fn detached_containers_live_on_for_ordinary_users() {
    for user in [User::WithSubordinateIds, User::WithoutAccount] {
        let Some(root) = BusyboxRoot::new() else { return };
        let Some(program) = user.example("container", root.path()) else { continue };
        let state = root.path().join("containers");
        let run = |words: &[&str]| {
            let output = user.command(&program).arg(&state).args(words).output().unwrap();
            (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
        };
        let line = "trap 'echo bye; exit 4' TERM; echo hi; while :; do sleep 0.01; done";
        let (code, said) = run(&["detach", "--rm", "buoy", root.path().to_str().unwrap(), "sh", "-c", line]);
        assert_eq!(code, Some(0), "{said}");
        assert_eq!(run(&["list"]).1, "buoy running\n");
        wait_until(|| run(&["logs", "buoy"]).1 == "hi\n");
        assert_eq!(run(&["exec", "buoy", "sh", "-c", "id -u; exit 5"]), (Some(5), "0\n".to_owned()));
        assert_eq!(run(&["stop", "buoy"]), (Some(0), String::new()));
        // Its supervisor removes it after the stop.
        wait_until(|| run(&["list"]).1.is_empty());
    }
}

#[test]
fn a_masked_proc_of_an_outer_container_is_no_obstacle() {
    if !wants_root() {
        return;
    }
    let user = User::WithoutAccount;
    let Some(root) = BusyboxRoot::new() else { return };
    let Some(program) = user.example("sandbox", root.path()) else { return };
    // The only /proc that is left has something mounted on it, as in a container of Docker's.
    let script = format!(
        "awk '$0 ~ / - proc / && $5 != \"/proc\" {{print $5}}' /proc/self/mountinfo | xargs -r -n1 umount -l; \
         mount -t tmpfs none /proc/sys && exec setpriv --reuid 54321 --regid 54321 --clear-groups {} {} \
         sh -c 'test -d /proc/self/fd && test $(ls -d /proc/[0-9]* 2>/dev/null | wc -l) -gt 3 && echo $$'",
        program.display(),
        root.path().display()
    );
    let output = Command::new("unshare").args(["-m", "sh", "-c", &script]).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(output.status.success() && said == "1\n", "{said}");
}
