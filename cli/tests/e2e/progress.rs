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
    command.env("GITHUB_WORKSPACE", dhow.folder());
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
    assert!(log.contains("\n::error file=site/Dockerfile,line=8,endLine=8,title=build::step `"), "{log}");
    // The log of the step that failed is the last before the error.
    let last = log.rfind("------\n > ").expect("the failed step's log");
    assert!(log[last..].contains("\nlast\n"), "{log}");
}

#[test]
fn names_are_cut_only_on_demand() {
    let dhow = Dhow::new();
    need!(import_busybox(&dhow));
    let dockerfile = format!("FROM busybox\nRUN : {}\n", "x".repeat(100));
    let name = format!("#2 [2/2] RUN : {}", "x".repeat(100));
    let (_, log) = log_of(&dhow, &dockerfile, &[]);
    assert!(log.starts_with(&format!("{name}\n")), "{log}");
    let (_, log) = log_of(&dhow, &dockerfile, &[("PROGRESS_NO_TRUNC", "0")]);
    assert!(log.starts_with(&format!("{}...\n", &name[..3 + 72])), "{log}");
}

#[test]
fn gitlab_has_sections() {
    let dhow = Dhow::new();
    need!(import_busybox(&dhow));
    let dockerfile = "FROM busybox\nRUN echo hello\nRUN printf 'back\\n'\n";
    let sections = || {
        let (code, log) = log_of(&dhow, dockerfile, &[("GITLAB_CI", "true")]);
        assert_eq!(code, Some(0), "{log}");
        let named = |word: &str| -> Vec<String> {
            let mark = format!("\x1b[0K{word}:");
            let found = log.split(&mark).skip(1);
            found
                .map(|rest| rest.split(['[', '\r']).next().expect("a name").split(':').nth(1).expect(rest).to_owned())
                .collect()
        };
        assert_eq!(named("section_start"), named("section_end"), "{log}");
        assert!(log.contains("[collapsed=true]\r\x1b[0K#2 [2/3] RUN echo hello\n"), "{log}");
        named("section_start")
    };
    let (one, other) = (sections(), sections());
    assert_eq!((one.len(), other.len()), (2, 2));
    assert!(one.iter().all(|name| !other.contains(name)), "a name stands once in a log: {one:?} {other:?}");
}

#[test]
fn logs_of_services_are_whole_and_hold_no_commands_of_others() {
    let dhow = Dhow::new();
    need!(import_busybox(&dhow));
    let dockerfile = "FROM busybox\nRUN head -c 300000 /dev/zero | tr '\\0' x; echo; echo ::error::not so; exit 1\n";
    let (code, log) = log_of(&dhow, dockerfile, &[("GITHUB_ACTIONS", "true")]);
    assert_eq!(code, Some(4));
    assert_eq!(log.matches(&"x".repeat(300_000)).count(), 2, "with the step, and as the last");
    let (before, after) = log.split_once("\n::error::not so\n").expect("the log of the failed step");
    let token = before.rsplit("\n::stop-commands::").next().and_then(|rest| rest.lines().next()).expect("a token");
    assert!(token.len() >= 16 && after.starts_with(&format!("::{token}::\n")), "{token} {after}");
}
