//! What dhow has to give for a case: the recorded facts, with those of its `dhow.json` in their place where it does
//! something else on purpose. Part of each test that compares with them (`#[path]`).

use std::fs;
use std::path::Path;

use serde_json::Value;

/// The facts of the case in the folder `case`.
pub(crate) fn expected(case: &Path) -> Value {
    let read = |name: &str| fs::read(case.join(name)).ok().map(|json| serde_json::from_slice(&json).expect("JSON"));
    let mut facts = read("expected.json").expect("facts");
    if let Some(own) = read("dhow.json") {
        overlay(&mut facts, own);
    }
    facts
}

/// Puts the values of `own` in the place of those in `facts`; null takes one away. Objects are gone into.
fn overlay(facts: &mut Value, own: Value) {
    let (Value::Object(facts), Value::Object(own)) = (facts, own) else { return };
    for (key, value) in own {
        match (facts.get_mut(&key), value) {
            (_, Value::Null) => drop(facts.remove(&key)),
            (Some(old @ Value::Object(_)), value @ Value::Object(_)) => overlay(old, value),
            (_, value) => drop(facts.insert(key, value)),
        }
    }
}
