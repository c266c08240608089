//! Cache keys: a hash of everything that decides what a step makes, and of nothing else.
//!
//! | step | what enters | what does not |
//! |---|---|---|
//! | base | the diff ids of its layers | its name, its config (which reaches the steps that use it) |
//! | RUN | keys of its inputs, argv, environment with the ARGs that are in scope, user, working directory, mounts by what they show, network, security, heredocs | proxy ARGs, secrets (their ids do), the content of cache mounts |
//! | COPY, ADD | key of the tree below (not with `--link`), destination, chown, chmod, links, excludes, and the selected files: names, types, modes, owners as they are stored, content, link targets, extended attributes, hard links | mtimes, the names of the sources beyond what lands, stages by name |
//! | ADD from the web | what is received, as any copied file | the URL, its entity tag, `Last-Modified` |
//! | ADD from git | the files of the commit, as any copied ones | the URL, the reference |
//! | WORKDIR | key of the tree below, path, owner | |
//!
//! Every field is framed by its name and length, so that no two different inputs read the same; the name of the format
//! in front separates these hashes from all others. The key's inputs are kept with the record as JSON, to explain misses
//! (`explain.rs`); beside them stands `about`, which enters no key: the names of the base, of the step below and of
//! mounts. Neither limits (`--memory`, `--ulimit`, `--shm-size`) nor the number of jobs enter: they decide whether a step
//! succeeds, and what failed is not kept.
//!
//! `COPY --from=stage` goes by the files too, so that it hits although the stage was built anew, if the files came out
//! the same. What a selection from a stack of layers holds is remembered in a record of its own
//! (`exec/selection.rs`), as a stack never changes.

use dhow_layer_store::{CacheKey, oci::Digest};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::explain::ABOUT;

/// The version of what enters keys. Another one makes every step a miss.
const FORMAT: &str = "dhow step key 1";

/// A finished key and what went into it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct StepKey {
    pub(crate) key: CacheKey,
    /// Field names to values, in order.
    pub(crate) inputs: Value,
}

impl StepKey {
    /// The same key, with something for people beside its inputs.
    pub(crate) fn with_about(mut self, about: Value) -> Self {
        self.inputs[ABOUT] = about;
        self
    }
}

/// Takes the fields of a key one by one.
#[derive(Debug, Clone)]
pub(crate) struct KeyBuilder {
    hash: Sha256,
    inputs: Map<String, Value>,
}

impl KeyBuilder {
    /// Begins the key of a step of the kind `kind`.
    pub(crate) fn new(kind: &str) -> Self {
        let mut builder = Self { hash: Sha256::new(), inputs: Map::new() };
        builder.frame(FORMAT, b"");
        builder.text("kind", kind);
        builder
    }

    /// Adds a text.
    pub(crate) fn text(&mut self, name: &str, value: &str) {
        self.frame(name, value.as_bytes());
        self.inputs.insert(name.to_owned(), Value::from(value));
    }

    /// Adds a text if there is one; none differs from an empty one.
    pub(crate) fn optional(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.text(name, value);
        }
    }

    /// Adds a list in its order.
    pub(crate) fn list<S: AsRef<str>>(&mut self, name: &str, values: &[S]) {
        self.frame(name, &(values.len() as u64).to_le_bytes());
        for value in values {
            self.frame("", value.as_ref().as_bytes());
        }
        self.inputs.insert(name.to_owned(), values.iter().map(|value| Value::from(value.as_ref())).collect());
    }

    /// Adds the key of a step that this one stands on.
    pub(crate) fn step(&mut self, name: &str, key: &CacheKey) {
        self.text(name, &key.0.to_string());
    }

    /// The key.
    pub(crate) fn finish(self) -> StepKey {
        let key = CacheKey(Digest::from_sha256(self.hash.finalize().into()));
        StepKey { key, inputs: Value::Object(self.inputs) }
    }

    fn frame(&mut self, name: &str, value: &[u8]) {
        for bytes in [name.as_bytes(), value] {
            self.hash.update((bytes.len() as u64).to_le_bytes());
            self.hash.update(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::KeyBuilder;

    fn key(fields: &[(&str, &[&str])]) -> String {
        let mut builder = KeyBuilder::new("test");
        for (name, values) in fields {
            match values {
                [one] => builder.text(name, one),
                many => builder.list(name, many),
            }
        }
        builder.finish().key.0.to_string()
    }

    #[test]
    fn different_inputs_have_different_keys() {
        let inputs: [&[(&str, &[&str])]; 9] = [
            &[],
            &[("a", &["b"])],
            &[("a", &["bc"])],
            &[("ab", &["c"])],
            &[("a", &["b", "c"])],
            &[("a", &["b"]), ("c", &["d"])],
            &[("c", &["d"]), ("a", &["b"])],
            &[("a", &[])],
            &[("a", &[""])],
        ];
        let keys: std::collections::BTreeSet<String> = inputs.iter().map(|fields| key(fields)).collect();
        assert_eq!(keys.len(), inputs.len());
        assert_eq!(key(inputs[4]), key(inputs[4]));
    }

    #[test]
    fn the_inputs_can_be_read() {
        let mut builder = KeyBuilder::new("run");
        builder.list("argv", &["sh", "-c"]);
        builder.optional("user", None);
        assert_eq!(builder.finish().inputs.to_string(), r#"{"kind":"run","argv":["sh","-c"]}"#);
    }
}
