//! The error document of the protocol (distribution-spec, "Error Codes"), as a client reads it and a server writes it.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One error of an answer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiError {
    /// The spec's code, such as `MANIFEST_UNKNOWN`.
    #[serde(default)]
    pub code: String,
    /// The server's words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// More of them, in any form.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub detail: Value,
}

/// The whole document.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ErrorDocument {
    pub(crate) errors: Vec<ApiError>,
}

/// The most of an answer that is no error document that is shown.
const EXCERPT: usize = 200;

impl ApiError {
    /// The errors in an answer's body; of another document an excerpt.
    pub(crate) fn parse(body: &[u8]) -> Vec<Self> {
        if let Ok(document) = serde_json::from_slice::<ErrorDocument>(body) {
            return document.errors;
        }
        let text = String::from_utf8_lossy(body);
        let text = token_server_message(body).unwrap_or_else(|| text.split_whitespace().collect::<Vec<_>>().join(" "));
        if text.is_empty() || text.starts_with('<') {
            return Vec::new();
        }
        let message = text.chars().filter(|c| !c.is_control()).take(EXCERPT).collect();
        vec![Self { message, ..Self::default() }]
    }
}

/// Token servers have no common form: `{"details": …}`, `{"error_description": …}`, `{"message": …}`.
fn token_server_message(body: &[u8]) -> Option<String> {
    let value: Value = serde_json::from_slice(body).ok()?;
    let field = |name: &str| value.get(name)?.as_str().map(str::to_owned);
    ["error_description", "details", "message", "error"].into_iter().find_map(field)
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.code.as_str(), self.message.as_str()) {
            ("", message) => f.write_str(message),
            (code, "") => f.write_str(code),
            (code, message) => write!(f, "{code}: {message}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::ApiError;

    #[test]
    fn bodies_of_every_form_become_text() {
        let check = |body: &str, expected: &[&str]| {
            let shown: Vec<String> = ApiError::parse(body.as_bytes()).iter().map(ToString::to_string).collect();
            assert_eq!(shown, expected, "{body}");
        };
        check(r#"{"errors":[{"code":"NAME_UNKNOWN","message":"no such name"}]}"#, &["NAME_UNKNOWN: no such name"]);
        check(r#"{"errors":[{"code":"DENIED"},{"message":"x","detail":{"a":1}}]}"#, &["DENIED", "x"]);
        check(r#"{"errors":[]}"#, &[]);
        check(r#"{"details":"incorrect username or password"}"#, &["incorrect username or password"]);
        check("<html>bad gateway</html>", &[]);
        check("404  page\nnot found", &["404 page not found"]);
        check("", &[]);
    }
}
