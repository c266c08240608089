//! The fields of one `--output`: `KEY=VALUE` in a line of comma-separated values. A key that nobody asks for is an error.

use std::collections::BTreeMap;

use dhow_builder::dockerfile::csv;
use dhow_builder::nearest;

use crate::problem::Problem;

/// What was typed, key by key; each is taken out by whoever knows it.
#[derive(Debug)]
pub(super) struct Fields {
    text: String,
    values: BTreeMap<String, String>,
    /// Keys that were asked for, for suggestions.
    known: Vec<&'static str>,
}

impl Fields {
    /// Reads the fields of `text`.
    ///
    /// # Errors
    /// A field has no key, or a key comes twice.
    pub(super) fn parse(text: &str) -> Result<Self, Problem> {
        let bad = |why: &str| Problem::usage(format!("`{text}` is not an output: {why}"));
        let mut values = BTreeMap::new();
        for (field, _) in csv::fields(text).map_err(bad)? {
            let (key, value) = match field.split_once('=') {
                Some((key, value)) => (plain_key(key), value.to_owned()),
                // BuildKit takes a bare switch for `true` here alone.
                None if field == "force-compression" => (field, "true".to_owned()),
                None => {
                    return Err(bad(&format!("`{field}` has no value"))
                        .hint("write KEY=VALUE fields, such as type=oci,dest=image.tar"));
                }
            };
            if values.insert(key.clone(), value).is_some() {
                return Err(bad(&format!("`{key}` comes twice")));
            }
        }
        Ok(Self { text: text.to_owned(), values, known: Vec::new() })
    }

    /// The value of `key`.
    pub(super) fn take(&mut self, key: &'static str) -> Option<String> {
        self.known.push(key);
        self.values.remove(key)
    }

    /// The value of a switch.
    ///
    /// # Errors
    /// It is neither true nor false.
    pub(super) fn switch(&mut self, key: &'static str) -> Result<Option<bool>, Problem> {
        let Some(value) = self.take(key) else { return Ok(None) };
        match value.as_str() {
            "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(Some(true)),
            "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(Some(false)),
            _ => Err(self.bad(key, &value, "write true or false")),
        }
    }

    /// The fields whose keys begin with `prefix`, without it.
    pub(super) fn take_prefixed(&mut self, prefix: &str) -> Vec<(String, String)> {
        let keys: Vec<String> = self.values.keys().filter(|key| key.starts_with(prefix)).cloned().collect();
        let pair = |key: String| Some((key[prefix.len()..].to_owned(), self.values.remove(&key)?));
        keys.into_iter().filter_map(pair).collect()
    }

    /// A value that cannot be used.
    pub(super) fn bad(&self, key: &str, value: &str, hint: &str) -> Problem {
        Problem::usage(format!("`{value}` is no value for `{key}` of the output `{}`", self.text)).hint(hint)
    }

    /// What was typed.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Checks that every field was taken.
    ///
    /// # Errors
    /// There is one that this type of output does not have.
    pub(super) fn finish(self) -> Result<(), Problem> {
        let Some(key) = self.values.keys().next() else { return Ok(()) };
        let problem = Problem::usage(format!("the output `{}` has no key `{key}`", self.text));
        Err(match (unsupported(key), nearest(key, self.known.iter().copied())) {
            (Some(why), _) => problem.hint(why),
            (None, Some(near)) => problem.hint(format!("did you mean `{near}`?")),
            (None, None) => problem.hint(format!("it has {}", self.known.join(", "))),
        })
    }
}

/// BuildKit's keys that dhow knows of and cannot honour.
fn unsupported(key: &str) -> Option<&'static str> {
    match key {
        "oci-artifact" | "attestation-inline" | "attestation-prefix" => Some("attestations are not written yet"),
        "prefer-nondist-layers" => Some("layers keep the media types that they came with"),
        "dangling-name-prefix" | "danging-name-empty-only" | "name-canonical" => {
            Some("only `type=image` and `type=registry` name images by their digest")
        }
        "platform-split" => Some("only `type=local` and `type=tar` have directories"),
        "context" => Some("dhow has no daemon to load the image into"),
        _ => None,
    }
}

/// Keys have no case, but for the names of annotations.
fn plain_key(key: &str) -> String {
    let key = key.trim();
    if key.starts_with("annotation") { key.to_owned() } else { key.to_lowercase() }
}
