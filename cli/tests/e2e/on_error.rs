//! `--on-error`: a look at the sandbox of a step that failed.

use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use crate::context::{BUSYBOX, context, import_busybox, text};
use crate::dhow::{Dhow, Finished};
use crate::skip::need;

/// Builds with `--on-error=shell`, and types `lines` into the shell.
fn with_shell(dhow: &Dhow, folder: &Path, lines: &str) -> Finished {
    let secret = dhow.folder().join("token");
    std::fs::write(&secret, "s3cret").expect("writes");
    dhow.hand_over(&secret);
    let secret = format!("id=token,src={}", text(&secret));
    let mut command = dhow.command(["build", "--progress=plain", "--on-error=shell", "--secret", &secret]);
    command.arg(folder).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("dhow starts");
    child.stdin.take().expect("a pipe").write_all(lines.as_bytes()).expect("types");
    Finished::from(child.wait_with_output().expect("dhow ends"))
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
    let lines = "echo $NAME $NUMBER $(pwd) $(id -u) $(cat /tmp/left) $(cat /run/secrets/token) $(ls /cache)\nexit 0\n";
    let built = with_shell(&dhow, &folder, lines);
    assert_eq!(built.code, Some(4), "the build fails all the same: {}", built.stderr);
    assert!(built.stdout.contains("value 7 /work 12 left s3cret kept\n"), "{}\n{}", built.stdout, built.stderr);
    assert!(built.stderr.contains("exit code 9") && built.stderr.contains("Dockerfile:6"), "{}", built.stderr);
    assert_eq!(dhow.ok(["images", "--format", "{{.Repository}}"]), format!("{BUSYBOX}\n"));
}

#[test]
fn an_image_without_shell_gets_one() {
    let dhow = Dhow::new();
    need!(import_busybox(&dhow));
    let dockerfile = format!("FROM scratch\nCOPY --from={BUSYBOX} /bin/busybox /bin/false\nRUN [\"/bin/false\"]\n");
    let folder = context(&dhow, "no-shell", &[("Dockerfile", &dockerfile)]);
    let built = with_shell(&dhow, &folder, "echo inside; test -e /bin/false && test ! -e /bin/sh && echo as it was\n");
    assert_eq!(built.code, Some(4), "{}", built.stderr);
    assert!(built.stdout.contains("inside\nas it was\n"), "{}\n{}", built.stdout, built.stderr);
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
