//! The exit codes of docs/exit-codes.md, each from a failure of its kind.

use std::fs;

use serde_json::Value;

use crate::context::{context, import_busybox, text};
use crate::dhow::Dhow;
use crate::registry::free_port;
use crate::skip::{self, need};

fn code(dhow: &Dhow, arguments: &[&str]) -> (Option<i32>, String) {
    let finished = dhow.run(arguments);
    (finished.code, finished.stderr)
}

#[test]
fn names_that_are_mistyped_are_found() {
    let dhow = Dhow::new();
    let folder = context(&dhow, "base", &[("Dockerfile", "FROM scratch\nLABEL a=b\n")]);
    dhow.ok(["build", "-t", "harbour", text(&folder)]);
    let folder = context(&dhow, "typo", &[("Dockerfile", "FROM harbor\n")]);
    // The registry of names without a host is not in reach of a test.
    let offline = |words: &[&str]| {
        let output = dhow.command(words).env("HTTPS_PROXY", "http://127.0.0.1:1").output().expect("dhow starts");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let said = offline(&["build", text(&folder)]);
    assert!(said.contains("did you mean `harbour`, which is in the store?"), "{said}");
    let said = offline(&["run", "harbor"]);
    assert!(said.contains("Unable to find image 'harbor:latest' locally; did you mean `harbour`?"), "{said}");
    let said = offline(&["push", "harbor"]);
    assert!(said.starts_with("error: no image `harbor") && said.contains("hint: "), "{said}");
    let said = offline(&["logs", "harbor"]);
    assert!(said.contains("no such container: `harbor`") && said.contains("dhow ps -a"), "{said}");
}

#[test]
fn every_kind_of_failure_has_its_code() {
    let dhow = Dhow::new();
    need!(import_busybox(&dhow));
    let folder = |name: &str, dockerfile: &str| text(&context(&dhow, name, &[("Dockerfile", dockerfile)])).to_owned();
    let nobody = format!("127.0.0.1:{}/x", free_port());
    let good = folder("good", "FROM busybox\nRUN true\n");
    let wrong = folder("wrong", "FROM busybox\nRUNN true\n");
    let failing = folder("failing", "FROM busybox\nRUN exit 3\n");
    let remote = folder("remote", &format!("FROM {nobody}\nRUN true\n"));
    for (arguments, expected) in [
        (&["build", "-q", &good][..], 0),
        (&["build", "--size-limit", "1k", &good], 8),
        (&["build", &wrong], 3),
        (&["build", &failing], 4),
        (&["build", &remote], 5),
        (&["pull", &nobody], 5),
        (&["build", "--bogus", &good], 125),
        (&["build", "-o", "type=bogus", &good], 125),
        (&["inspect", "missing"], 1),
        (&["run", "--rm", "busybox", "sh", "-c", "exit 9"], 9),
        (&["run", "--rm", "busybox", "/etc"], 126),
        (&["run", "--rm", "busybox", "/missing"], 127),
    ] {
        let (found, log) = code(&dhow, arguments);
        assert_eq!(found, Some(expected), "{arguments:?}: {log}");
    }
    let broken = Dhow::new();
    fs::create_dir_all(broken.store()).unwrap();
    fs::write(broken.store().join("version"), "999999\n").unwrap();
    fs::write(broken.store().join("other"), "x").unwrap();
    let (found, log) = code(&broken, &["images"]);
    assert_eq!(found, Some(6), "{log}");
}

#[test]
fn a_failed_step_is_told_to_programs() {
    need!(skip::root());
    let dhow = Dhow::new();
    need!(import_busybox(&dhow));
    let folder = context(&dhow, "failing", &[("Dockerfile", "FROM busybox\n\nRUN exit 3\n")]);
    let metadata = dhow.folder().join("metadata.json");
    let (found, log) = code(&dhow, &["build", "--metadata-file", text(&metadata), text(&folder)]);
    assert_eq!(found, Some(4), "{log}");
    let told: Value = serde_json::from_slice(&fs::read(&metadata).unwrap()).unwrap();
    let error = &told["dhow.build.error"];
    assert_eq!((&error["exit"], &error["exit_code"], &error["line"]), (&4.into(), &3.into(), &3.into()), "{told}");
    assert_eq!(error["step"], "[2/2] RUN exit 3");
}
