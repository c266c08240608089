//! The JSON of docker's `--call=check,format=json`.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use dhow_builder::diagnostic::Diagnostic;
use dhow_builder::lint::RULES;
use dhow_builder::source::SourceFile;
use serde_json::{Map, Value, json};

use super::Findings;

/// Warnings, the file, and the first error.
pub(crate) fn docker(findings: &Findings<'_>) -> Value {
    let source = findings.source;
    let (errors, warnings): (Vec<_>, Vec<_>) = findings.found.iter().partition(|found| found.is_error());
    let warnings = warnings.iter().map(|warning| {
        let rule = RULES.iter().find(|rule| rule.name == warning.code);
        json!({
            "ruleName": warning.code,
            "description": rule.map(|rule| rule.summary),
            "detail": warning.message,
            "location": location(source, warning),
        })
    });
    let mut document = Map::new();
    document.insert("warnings".into(), warnings.collect());
    let data = BASE64_STANDARD.encode(source.text());
    document.insert("sources".into(), json!([{"filename": source.name(), "language": "Dockerfile", "data": data}]));
    if let Some(error) = errors.first() {
        document.insert("buildError".into(), json!({"message": error.message, "location": location(source, error)}));
    }
    Value::Object(document)
}

/// The lines of the instruction, as docker tells them.
fn location(source: &SourceFile, found: &Diagnostic) -> Value {
    let (start, end) = source.lines(found.instruction.unwrap_or(found.primary.span));
    json!({"ranges": [{"start": {"line": start}, "end": {"line": end}}]})
}
