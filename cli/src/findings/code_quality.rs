//! GitLab's Code Quality report: the fields that its documentation names for reports of one's own.

use std::collections::BTreeMap;

use dhow_builder::diagnostic::{Diagnostic, Severity};
use dhow_layer_store::oci::Digest;
use serde_json::{Value, json};

use super::{Findings, repository};
use crate::environment::Environment;

/// One list about all files.
pub(super) fn document(files: &[Findings<'_>], environment: &Environment) -> Value {
    let mut seen = BTreeMap::new();
    let mut issues = Vec::new();
    for file in files {
        let path = repository::from_top(file.source.name(), environment);
        issues.extend(file.found.iter().map(|found| issue(file, &path, (found, &mut seen))));
    }
    Value::Array(issues)
}

fn issue(file: &Findings<'_>, path: &str, (found, seen): (&Diagnostic, &mut BTreeMap<String, usize>)) -> Value {
    let line = file.source.line(found.primary.span.start);
    let description = match &found.hint {
        Some(hint) => format!("{} (hint: {hint})", found.message),
        None => found.message.clone(),
    };
    // The number of the line is not in it: what is older than the change that moved it down is not new.
    let about = [path, found.code, &found.message, file.source.line_text(line).trim()].join("\n");
    let times = seen.entry(about.clone()).or_default();
    *times += 1;
    let fingerprint = Digest::of(format!("{about}\n{times}").as_bytes()).hex();
    json!({
        "description": description,
        "check_name": found.code,
        "fingerprint": fingerprint,
        "severity": severity(found.severity),
        "location": {"path": path, "lines": {"begin": line, "end": file.source.line(found.primary.span.end)}},
    })
}

/// What stops the build, and what does not.
fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "blocker",
        Severity::Warning => "minor",
    }
}

#[cfg(test)]
mod tests {
    use super::{Diagnostic, Digest, Environment, Findings, document};
    use dhow_builder::source::{SourceFile, Span};
    use serde_json::json;
    use std::collections::BTreeSet;

    #[test]
    fn issues_have_gitlabs_fields() {
        let found = |shift: usize| {
            vec![
                Diagnostic::error("build", Span::new(shift, shift + 4), "50% \"failed\"").hint("mend it"),
                Diagnostic::warning("Rule", Span::new(shift + 7, shift + 8), "same"),
                Diagnostic::warning("Rule", Span::new(shift + 9, shift + 10), "same"),
            ]
        };
        let report = |text: &str, found: &[Diagnostic]| {
            let source = SourceFile::new("./Dockerfile.none", text);
            document(&[Findings { source: &source, found }], &Environment::from([]))
        };
        let issues = report("FROM a\nb b b b\n", &found(0));
        assert_eq!(issues[0]["description"], "50% \"failed\" (hint: mend it)");
        assert_eq!((&issues[0]["severity"], &issues[1]["severity"]), (&json!("blocker"), &json!("minor")));
        assert_eq!(issues[1]["check_name"], "Rule");
        assert_eq!(issues[1]["location"], json!({"path": "Dockerfile.none", "lines": {"begin": 2, "end": 2}}));
        let prints = |issues: &serde_json::Value| -> Vec<String> {
            issues.as_array().unwrap().iter().map(|issue| issue["fingerprint"].as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(prints(&issues).iter().collect::<BTreeSet<_>>().len(), 3, "each has its own");
        assert_eq!(prints(&issues)[0].len(), Digest::of(b"").hex().len());
        assert_eq!(prints(&report("# x\nFROM a\nb b b b\n", &found(4))), prints(&issues), "moving a line changes none");
    }
}
