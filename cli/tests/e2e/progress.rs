//! What a build tells on the way: for programs, and in the logs of CI services.

use serde_json::Value;

use crate::context::{context, import_busybox, text};
use crate::dhow::Dhow;
use crate::skip::need;

const PARALLEL: &str = "FROM busybox AS a\nRUN echo a1; sleep 1; echo a2; touch /a\nFROM busybox AS b\nRUN echo b1; sleep 1; echo b2; touch /b\n\
    FROM busybox\nCOPY --from=a /a /\nCOPY --from=b /b /\nRUN echo last; exit 3\n";

fn log_of(dhow: &Dhow, dockerfile: &str, variables: &[(&str, &str)]) -> (Option<i32>, String) {
    let folder = context(dhow, "site", &[("Dockerfile", dockerfile)]);
    let mut command = dhow.command(["build", "--no-cache", text(&folder)]);
    for name in ["GITHUB_ACTIONS", "GITLAB_CI", "BUILDKIT_PROGRESS"] {
        command.env_remove(name);
    }
    let output = command.envs(variables.iter().copied()).output().expect("dhow starts");
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn programs_get_documents() {
    let dhow = Dhow::new();
    need!(import_busybox(&dhow));
    let (code, log) = log_of(&dhow, "FROM busybox\nRUN echo hello\n", &[("BUILDKIT_PROGRESS", "rawjson")]);
    assert_eq!(code, Some(0), "{log}");
    let documents: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    let logs: Vec<&Value> = documents.iter().filter_map(|document| document["logs"].get(0)).collect();
    assert_eq!(logs[0]["data"], "aGVsbG8K", "{log}");
    let done = documents.iter().filter_map(|document| document["vertexes"].get(0));
    assert_eq!(done.filter(|vertex| vertex["completed"].is_string()).count(), 1, "{log}");
}

#[test]
fn github_folds_the_steps_and_annotates_the_line() {
    let dhow = Dhow::new();
    need!(import_busybox(&dhow));
    let (code, log) = log_of(&dhow, PARALLEL, &[("GITHUB_ACTIONS", "true")]);
    assert_eq!(code, Some(4), "{log}");
    let mut open = false;
    for line in log.lines() {
        match line {
            line if line.starts_with("::group::") => assert!(!std::mem::replace(&mut open, true), "{log}"),
            "::endgroup::" => assert!(std::mem::replace(&mut open, false), "{log}"),
            _ => {}
        }
    }
    assert!(!open && log.matches("::group::").count() >= 3, "{log}");
    for step in ["a", "b"] {
        let (one, two) = (log.find(&format!(" {step}1\n")), log.find(&format!(" {step}2\n")));
        let between = &log[one.expect(step)..two.expect(step)];
        assert!(!between.contains("::"), "the lines of a step are together: {log}");
    }
    assert!(log.contains("::error file=") && log.contains("line=8"), "{log}");
    // The log of the step that failed is the last before the error.
    let last = log.rfind("------\n > ").expect("the failed step's log");
    assert!(log[last..].contains("\nlast\n"), "{log}");
}

#[test]
fn gitlab_has_sections() {
    let dhow = Dhow::new();
    need!(import_busybox(&dhow));
    let (code, log) = log_of(&dhow, "FROM busybox\nRUN echo hello\n", &[("GITLAB_CI", "true")]);
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("section_start:") && log.contains("section_end:"), "{log}");
}
