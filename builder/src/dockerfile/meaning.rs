//! What a file says, apart from how it is written: the tree without places, comments and the case of keywords.

use serde::Serialize;
use serde_json::Value;

/// The parts of the tree that are about the writing.
const WRITING: [&str; 6] = ["span", "keyword", "line", "comments", "empty_continuation", "spelling"];

/// The meaning of a tree or a part of one; two that say the same are equal.
pub fn of(tree: &impl Serialize) -> Value {
    // A tree holds nothing that JSON cannot.
    strip(serde_json::to_value(tree).unwrap_or_default())
}

fn strip(value: Value) -> Value {
    match value {
        Value::Array(values) => values.into_iter().map(strip).collect(),
        Value::Object(fields) => {
            let fields = fields.into_iter().filter(|(name, _)| !WRITING.contains(&name.as_str()));
            Value::Object(fields.map(|(name, value)| (name, strip(value))).collect())
        }
        other => other,
    }
}
