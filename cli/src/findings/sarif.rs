//! SARIF 2.1.0 (OASIS standard), as code scanning reads it.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use dhow_builder::diagnostic::{Diagnostic, Severity};
use dhow_builder::lint::RULES;
use dhow_builder::source::{SourceFile, Span};
use serde_json::{Value, json};

use super::{Findings, repository};
use crate::environment::Environment;

const SCHEMA: &str = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// One run about all files.
pub(super) fn document(files: &[Findings<'_>], environment: &Environment) -> Value {
    let codes: BTreeSet<&str> = files.iter().flat_map(|file| file.found.iter().map(|found| found.code)).collect();
    let codes: Vec<&str> = codes.into_iter().collect();
    let results = files.iter().flat_map(|file| {
        let place = Place { source: file.source, uri: uri(&repository::from_top(file.source.name(), environment)) };
        file.found.iter().map(|found| result(&place, found, &codes)).collect::<Vec<_>>()
    });
    json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "dhow",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": codes.iter().map(|code| rule(code)).collect::<Vec<_>>(),
            }},
            "columnKind": "unicodeCodePoints",
            "results": results.collect::<Vec<_>>(),
        }],
    })
}

fn rule(code: &str) -> Value {
    match RULES.iter().find(|rule| rule.name == code) {
        Some(rule) => json!({"id": code, "name": code, "shortDescription": {"text": rule.summary}}),
        None => json!({"id": code}),
    }
}

fn result(place: &Place<'_>, found: &Diagnostic, codes: &[&str]) -> Value {
    let level = match found.severity {
        Severity::Warning => "warning",
        Severity::Error => "error",
    };
    let text = match &found.hint {
        Some(hint) => format!("{} (hint: {hint})", found.message),
        None => found.message.clone(),
    };
    let related = found
        .secondary
        .iter()
        .map(|label| json!({"message": {"text": label.text}, "physicalLocation": place.location(label.span)}));
    json!({
        "ruleId": found.code,
        "ruleIndex": codes.iter().position(|code| *code == found.code),
        "level": level,
        "message": {"text": text},
        "locations": [{"physicalLocation": place.location(found.primary.span)}],
        "relatedLocations": related.collect::<Vec<_>>(),
    })
}

/// A file, and what it is called.
struct Place<'a> {
    source: &'a SourceFile,
    uri: String,
}

impl Place<'_> {
    fn location(&self, span: Span) -> Value {
        let (start, end) = (self.source.position(span.start), self.source.position(span.end));
        json!({
            "artifactLocation": {"uri": self.uri},
            "region": {
                "startLine": start.line,
                "startColumn": start.column,
                "endLine": end.line,
                "endColumn": end.column,
                "byteOffset": span.start,
                "byteLength": span.end - span.start,
            },
        })
    }
}

/// A path as a URI: relative as it is, absolute with its scheme.
fn uri(path: &str) -> String {
    let mut uri = String::from(if path.starts_with('/') { "file://" } else { "" });
    for byte in path.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => uri.push(byte.into()),
            // Writing to a text cannot fail.
            _ => drop(write!(uri, "%{byte:02X}")),
        }
    }
    uri
}
