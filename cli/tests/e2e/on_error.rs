//! `--on-error`: a look at the sandbox of a step that failed.

use std::path::Path;

use crate::context::{BUSYBOX, context, import_busybox, text};
use crate::dhow::Dhow;
use crate::skip::need;
use crate::terminal::{Left, Terminal};

/// Builds with `--on-error=shell` on a terminal, and types into the shell.
fn with_shell(dhow: &Dhow, folder: &Path, keys: &str) -> Left {
    let secret = dhow.folder().join("token");
    std::fs::write(&secret, "s3cret").expect("writes");
    dhow.hand_over(&secret);
    let secret = format!("id=token,src={}", text(&secret));
    let mut command = dhow.command(["build", "--progress=tty", "--on-error=shell", "--secret", &secret]);
    command.arg(folder).env("TERM", "xterm");
    let terminal = Terminal::run(&command, (120, 40));
    // The prompt is the shell's sign that it listens.
    terminal.until(|screen| screen.iter().any(|line| line.ends_with(" $") || line.ends_with(" #")));
    terminal.type_in(keys);
    terminal.end()
}

#[test]
fn a_shell_sees_what_the_command_saw() {
    check_shell(Dhow::new());
}

#[test]
fn so_does_that_of_an_ordinary_user() {
    check_shell(need!(Dhow::as_ordinary_user()));
}

fn check_shell(dhow: Dhow) {
    need!(import_busybox(&dhow));
    let dockerfile = format!(
        "FROM {BUSYBOX}\nARG NUMBER=7\nENV NAME=value\nWORKDIR /work\nUSER 12\n\
         RUN --mount=type=secret,id=token,uid=12 --mount=type=cache,target=/cache,uid=12 touch /cache/kept; echo left > /tmp/left; exit 9\n"
    );
    let folder = context(&dhow, "shell", &[("Dockerfile", &dockerfile)]);
    let lines =
        "echo $NAME $NUMBER $(pwd) $(id -u) $(cat /tmp/left) $(cat /run/secrets/token) $(ls /cache)\rstty size\r\x04";
    let left = with_shell(&dhow, &folder, lines);
    assert_eq!(left.code, Some(4), "the build fails all the same: {}", left.text());
    assert!(left.text().contains("\nvalue 7 /work 12 left s3cret kept\n"), "{}", left.text());
    assert!(left.text().contains("\n40 120\n"), "the shell's terminal is as large: {}", left.text());
    assert!(left.text().contains("exit code 9") && left.text().contains("Dockerfile:6"), "{}", left.text());
    assert_eq!(left.cursor, (0, true), "{}", left.text());
    assert_eq!(dhow.ok(["images", "--format", "{{.Repository}}"]), format!("{BUSYBOX}\n"));
}

#[test]
fn an_image_without_shell_gets_one() {
    check_own_shell(Dhow::new());
}

#[test]
fn so_does_an_ordinary_users() {
    check_own_shell(need!(Dhow::as_ordinary_user()));
}

fn check_own_shell(dhow: Dhow) {
    need!(import_busybox(&dhow));
    let dockerfile = format!(
        "FROM scratch\nCOPY --from={BUSYBOX} /bin/busybox /bin/false\nUSER 1234:77\nWORKDIR /w\n\
         RUN --mount=type=secret,id=token,uid=1234 [\"/bin/false\"]\n"
    );
    let folder = context(&dhow, "no-shell", &[("Dockerfile", &dockerfile)]);
    let lines = "echo $(id -u) $(cat /run/secrets/token) $(pwd); test ! -e /bin/sh && echo as it was\rexit 7\r";
    let left = with_shell(&dhow, &folder, lines);
    assert_eq!(left.code, Some(4), "{}", left.text());
    assert!(left.text().contains("\n1234 s3cret /w\nas it was\n"), "{}", left.text());
}

#[test]
fn a_shell_needs_somebody_who_types() {
    let dhow = Dhow::new();
    let folder = context(&dhow, "nobody", &[("Dockerfile", "FROM scratch\nRUN [\"/bin/false\"]\n")]);
    let built = dhow.run(["build", "--on-error=shell", text(&folder)]);
    assert_eq!(built.code, Some(125), "{}", built.stderr);
    assert!(built.stderr.contains("needs a terminal") && built.stderr.contains("--on-error=keep"), "{}", built.stderr);
}

#[test]
fn files_of_a_failed_step_are_kept_as_an_image() {
    let dhow = Dhow::new();
    need!(import_busybox(&dhow));
    let dockerfile = format!("FROM {BUSYBOX}\nENV NAME=value\nWORKDIR /work\nRUN echo left > left; exit 9\n");
    let folder = context(&dhow, "keep", &[("Dockerfile", &dockerfile)]);
    let built = dhow.run(["build", "--progress=plain", "--on-error=keep", text(&folder)]);
    assert_eq!(built.code, Some(4), "{}", built.stderr);
    let id = built.stderr.split("kept as image ").nth(1).and_then(|rest| rest.split(':').next()).expect("an id");
    assert_eq!(dhow.ok(["run", "--rm", id, "sh", "-c", "cat left; echo $NAME"]), "left\nvalue\n");
    let built = dhow.run(["build", "--progress=plain", text(&folder)]);
    assert!(!built.stderr.contains("kept as image"), "{}", built.stderr);
}
