//! Finds out why a step missed: compares its key's inputs with those of the record that is most like it.

use std::collections::BTreeMap;

use dhow_layer_store::{ListedRecord, Store};
use serde_json::Value;

use crate::cache::listing::Listing;
use crate::cache::{MissReason, StepKey};
use crate::error::Result;

/// The fields that tell which step of a Dockerfile a record is of, and how much they say.
const IDENTITY: [(&str, usize); 6] =
    [("argv", 8), ("destination", 8), ("path", 8), ("below", 4), ("cwd", 1), ("env", 2)];
/// Below this likeness two records are of different steps.
const LIKE: usize = 4;

/// Why the step with this key is not among the records; what weighs most comes first.
pub(crate) fn explain(store: &Store, missed: &StepKey) -> Result<Vec<MissReason>> {
    let records = store.records()?;
    let likeness = |listed: &&ListedRecord| likeness(&listed.record.inputs, &missed.inputs);
    // The list begins with what was used last, which wins among equals.
    let best = records.iter().rev().max_by_key(likeness).filter(|best| likeness(best) >= LIKE);
    let Some(best) = best else { return Ok(vec![MissReason::NeverBuilt]) };
    let mut reasons = Vec::new();
    let (Some(before), Some(after)) = (best.record.inputs.as_object(), missed.inputs.as_object()) else {
        return Ok(vec![MissReason::NeverBuilt]);
    };
    let names: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    for name in names {
        let (before, after) = (before.get(name), after.get(name));
        if before != after {
            compare(store, name, (before.unwrap_or(&Value::Null), after.unwrap_or(&Value::Null)), &mut reasons);
        }
    }
    // That something below changed is the weakest: it says why only where nothing else does.
    reasons.sort_by_key(|reason| *reason == MissReason::Below);
    Ok(if reasons.is_empty() { vec![MissReason::NeverBuilt] } else { reasons })
}

fn likeness(before: &Value, after: &Value) -> usize {
    if before.get("kind") != after.get("kind") {
        return 0;
    }
    let same = |name: &&(&str, usize)| after.get(name.0).is_some() && before.get(name.0) == after.get(name.0);
    IDENTITY.iter().filter(same).map(|(_, weight)| weight).sum()
}

fn compare(store: &Store, name: &str, (before, after): (&Value, &Value), reasons: &mut Vec<MissReason>) {
    match name {
        "below" => reasons.push(MissReason::Below),
        "layers" => reasons.push(MissReason::Base),
        "argv" => reasons.push(MissReason::Command { before: joined(before), after: joined(after) }),
        "env" => compare_env(before, after, reasons),
        "contents" | "shown" => compare_files(store, (before, after), reasons),
        name => reasons.push(MissReason::Field { name: name.to_owned() }),
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

fn compare_env(before: &Value, after: &Value, reasons: &mut Vec<MissReason>) {
    let variables = |value| -> BTreeMap<String, String> {
        let pairs = texts(value).into_iter().filter_map(|pair| pair.split_once('='));
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    };
    let (before, after) = (variables(before), variables(after));
    let names: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    for name in names.into_iter().filter(|name| before.get(*name) != after.get(*name)) {
        let (before, after) = (before.get(name).cloned(), after.get(name).cloned());
        reasons.push(MissReason::Variable { name: name.clone(), before, after });
    }
}

fn compare_files(store: &Store, (before, after): (&Value, &Value), reasons: &mut Vec<MissReason>) {
    let count = reasons.len();
    for (before, after) in texts(before).into_iter().zip(texts(after)).filter(|(before, after)| before != after) {
        if let (Some(before), Some(after)) = (Listing::load(store, before), Listing::load(store, after)) {
            reasons.extend(before.changes_to(&after));
        }
    }
    if reasons.len() == count {
        reasons.push(MissReason::Files);
    }
}
