//! dhow's own JSON (docs/diagnostics.md).

use dhow_builder::diagnostic::Diagnostic;
use dhow_builder::source::{SourceFile, Span};
use serde_json::{Value, json};

use super::Findings;

/// Fields are only ever added within a version.
const VERSION: u32 = 1;

/// Everything about all files.
pub(super) fn document(files: &[Findings<'_>]) -> Value {
    let found = files.iter().flat_map(|file| file.found.iter().map(|found| one(file.source, found)));
    json!({"version": VERSION, "diagnostics": found.collect::<Vec<_>>()})
}

fn one(source: &SourceFile, found: &Diagnostic) -> Value {
    let related = found.secondary.iter().map(|label| {
        let (start, end) = places(source, label.span);
        json!({"message": label.text, "start": start, "end": end})
    });
    let (start, end) = places(source, found.primary.span);
    json!({
        "file": source.name(),
        "severity": found.severity,
        "code": found.code,
        "message": found.message,
        "label": Some(&found.primary.text).filter(|text| !text.is_empty()),
        "hint": found.hint,
        "help": found.help,
        "line": found.line(source),
        "start": start,
        "end": end,
        "related": related.collect::<Vec<_>>(),
    })
}

fn places(source: &SourceFile, span: Span) -> (Value, Value) {
    let place = |offset: usize| {
        let position = source.position(offset);
        json!({"line": position.line, "column": position.column, "offset": offset})
    };
    (place(span.start), place(span.end))
}
