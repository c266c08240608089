//! Finds out why a step missed: compares its key's inputs with those of the record that is most like it.

use std::collections::{BTreeMap, BTreeSet};

use dhow_layer_store::{ListedRecord, Store};
use serde_json::Value;

use crate::cache::listing::Listing;
use crate::cache::{Change, MissReason, StepKey};
use crate::error::Result;

/// The fields that tell which step of a Dockerfile a record is of, and how much they say.
const IDENTITY: [(&str, usize); 7] =
    [("argv", 8), ("destination", 8), ("path", 8), ("contents", 4), ("below", 4), ("cwd", 1), ("env", 2)];
/// What the same place in a Dockerfile adds, such as `[build 2/5]`.
const SAME_PLACE: usize = 3;
/// Below this likeness two records are of different steps.
const LIKE: usize = 4;
/// The field that holds what is kept for people and does not enter the key.
pub(super) const ABOUT: &str = "about";

/// Why the step `name` with this key is not among the records; what weighs most comes first.
pub(crate) fn explain(store: &Store, missed: &StepKey, name: &str) -> Result<Vec<MissReason>> {
    let records = store.records()?;
    if records.iter().any(|listed| listed.key == missed.key) {
        return Ok(vec![MissReason::Lost]);
    }
    Ok(compare(store, &records, (name, &missed.inputs)))
}

/// Why the step that a record is of had to be executed when it was, as far as older records can tell.
///
/// # Errors
/// The store cannot be read.
pub fn why(store: &Store, record: &ListedRecord) -> Result<Vec<MissReason>> {
    let mut older = store.records()?;
    older.retain(|listed| listed.key != record.key && listed.record.created < record.record.created);
    // What was made last is what the step was compared with.
    older.sort_by(|a, b| b.record.created.cmp(&a.record.created));
    Ok(compare(store, &older, (record.record.name.as_deref().unwrap_or_default(), &record.record.inputs)))
}

/// Compares with the most alike of `records`, of which the first wins among equals.
fn compare(store: &Store, records: &[ListedRecord], (name, inputs): (&str, &Value)) -> Vec<MissReason> {
    let alike = records.iter().rev().map(|listed| (likeness(&listed.record.inputs, inputs), listed));
    let in_place =
        |listed: &ListedRecord| listed.record.name.as_deref().is_some_and(|other| place(other) == place(name));
    let best = alike
        .filter(|(likeness, _)| *likeness >= LIKE)
        .max_by_key(|(likeness, listed)| likeness + if in_place(listed) { SAME_PLACE } else { 0 });
    let Some((_, best)) = best else { return vec![MissReason::NeverBuilt] };
    let mut comparison = Comparison { store, before: &best.record.inputs, after: inputs, reasons: Vec::new() };
    comparison.compare();
    let mut reasons = comparison.reasons;
    // That something below changed is the weakest: it says why only where nothing else does.
    reasons.sort_by_key(|reason| matches!(reason, MissReason::Below { .. }));
    if reasons.is_empty() { vec![MissReason::NeverBuilt] } else { reasons }
}

/// `[build 2/5` of `[build 2/5] RUN make` and of `[linux/amd64 build 2/5] RUN make`.
fn place(name: &str) -> Option<&str> {
    let place = name.strip_prefix('[')?.split_once(']')?.0;
    // Only a platform and the count have a slash.
    Some(place.split_once(' ').filter(|(platform, _)| platform.contains('/')).map_or(place, |(_, place)| place))
}

fn likeness(before: &Value, after: &Value) -> usize {
    if before.get("kind") != after.get("kind") {
        return 0;
    }
    let same = |name: &&(&str, usize)| after.get(name.0).is_some() && before.get(name.0) == after.get(name.0);
    IDENTITY.iter().filter(same).map(|(_, weight)| weight).sum()
}

/// Two keys' inputs, and what is found to differ.
struct Comparison<'a> {
    store: &'a Store,
    before: &'a Value,
    after: &'a Value,
    reasons: Vec<MissReason>,
}

impl<'a> Comparison<'a> {
    fn compare(&mut self) {
        let keys = |inputs: &Value| -> Vec<String> {
            inputs.as_object().map(|fields| fields.keys().cloned().collect()).unwrap_or_default()
        };
        let names: BTreeSet<String> = keys(self.before).into_iter().chain(keys(self.after)).collect();
        for name in names.iter().filter(|name| self.before.get(name.as_str()) != self.after.get(name.as_str())) {
            match name.as_str() {
                ABOUT => {}
                "below" => self.below(),
                "argv" => self.command(),
                "env" => self.environment(),
                "mounts" => self.mounts(),
                "contents" | "shown" => self.files(name),
                _ => self.field(name),
            }
        }
    }

    fn values(&self, name: &str) -> (&'a Value, &'a Value) {
        (self.before.get(name).unwrap_or(&Value::Null), self.after.get(name).unwrap_or(&Value::Null))
    }

    fn about(&self, name: &str) -> (&'a Value, &'a Value) {
        let (before, after) = self.values(ABOUT);
        (before.get(name).unwrap_or(&Value::Null), after.get(name).unwrap_or(&Value::Null))
    }

    /// The base's platform or digest where the step stands on a base, else the step below.
    fn below(&mut self) {
        let (before, after) = self.about("base");
        let of = |base: &Value, field: &str| base.get(field).and_then(Value::as_str).map(str::to_owned);
        let reason = match (of(before, "platform"), of(after, "platform")) {
            (Some(old), Some(new)) if old != new => MissReason::Platform { before: old, after: new },
            (Some(_), Some(_)) => {
                let both = |base: &Value| Some((of(base, "name")?, of(base, "digest")?));
                let (old, new) = (both(before).unwrap_or_default(), both(after).unwrap_or_default());
                MissReason::Base { before: old.0, before_digest: old.1, after: new.0, after_digest: new.1 }
            }
            _ => MissReason::Below { step: self.about("below").1.as_str().map(str::to_owned) },
        };
        self.reasons.push(reason);
    }

    fn command(&mut self) {
        let (before, after) = self.values("argv");
        self.reasons.push(MissReason::Command { before: joined(before), after: joined(after) });
    }

    fn environment(&mut self) {
        let variables = |value: &Value| -> BTreeMap<String, String> {
            let pairs = texts(value).into_iter().filter_map(|pair| pair.split_once('='));
            pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
        };
        let (before, after) = self.values("env");
        let (before, after) = (variables(before), variables(after));
        let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        for name in names.into_iter().filter(|name| before.get(*name) != after.get(*name)) {
            let (before, after) = (before.get(name).cloned(), after.get(name).cloned());
            self.reasons.push(MissReason::Variable { name: name.clone(), before, after });
        }
    }

    /// Mounts by the names that people know them by, such as `secret token`.
    fn mounts(&mut self) {
        let named = |inputs: &Value| -> BTreeMap<String, String> {
            let names = texts(inputs.get(ABOUT).and_then(|about| about.get("mounts")).unwrap_or(&Value::Null));
            let mounts = texts(inputs.get("mounts").unwrap_or(&Value::Null));
            names.into_iter().map(str::to_owned).zip(mounts.into_iter().map(str::to_owned)).collect()
        };
        let (before, after) = (named(self.before), named(self.after));
        let count = self.reasons.len();
        for mount in before.keys().chain(after.keys()).collect::<BTreeSet<_>>() {
            let change = match (before.get(mount), after.get(mount)) {
                (before, after) if before == after => continue,
                (None, _) => Change::Added,
                (_, None) => Change::Removed,
                _ => Change::Changed,
            };
            self.reasons.push(MissReason::Mount { mount: mount.clone(), change });
        }
        if self.reasons.len() == count {
            self.field("mounts");
        }
    }

    fn files(&mut self, name: &str) {
        let (before, after) = self.values(name);
        let count = self.reasons.len();
        let pairs: Vec<(&str, &str)> = texts(before).into_iter().zip(texts(after)).collect();
        for (before, after) in pairs.into_iter().filter(|(before, after)| before != after) {
            if let (Some(before), Some(after)) = (Listing::load(self.store, before), Listing::load(self.store, after)) {
                self.reasons.extend(before.changes_to(&after));
            }
        }
        // A mount that came or went has been told of already.
        if self.reasons.len() == count && texts(self.values(name).0).len() == texts(self.values(name).1).len() {
            self.reasons.push(MissReason::Files);
        }
    }

    fn field(&mut self, name: &str) {
        let text = |value: &Value| match value {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            other => Some(texts(other).join(" ")),
        };
        let (before, after) = self.values(name);
        let (before, after) = (text(before), text(after));
        self.reasons.push(MissReason::Field { name: name.to_owned(), before, after });
    }
}

fn texts(value: &Value) -> Vec<&str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

/// The argument vector as people write it: the shell's name says nothing.
fn joined(argv: &Value) -> String {
    match texts(argv)[..] {
        ["/bin/sh", "-c", text] => text.to_owned(),
        ref words => words.join(" "),
    }
}
