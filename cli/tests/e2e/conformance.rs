//! Every case of testdata/conformance, built by dhow and compared with what Docker's builder made of it.
//!
//! The facts were recorded once, by testdata/conformance/record; its page says what they are.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;

use serde_json::{Value, json};

use crate::archive::SavedImage;
use crate::case::{Case, cases_folder};
use crate::dhow::Dhow;
use crate::facts::Facts;
use crate::skip::{need, program};

const ROOT: &str = "dhow-test/root";
const BASES: &[&str] = &[ROOT, "dhow-test/busybox", "dhow-test/configured", "dhow-test/onbuild"];

type Bases = BTreeMap<String, SavedImage>;

#[test]
fn builds_what_dockers_builder_builds() {
    need!(program("busybox"));
    check_all(&Dhow::new(), &Case::all());
}

#[test]
fn builds_what_dockers_builder_builds_as_an_ordinary_user() {
    need!(program("busybox"));
    let dhow = need!(Dhow::as_ordinary_user());
    let cases: Vec<Case> = Case::all().into_iter().filter(|case| !case.needs_root()).collect();
    check_all(&dhow, &cases);
}

/// Runs every case on as many threads as there are cores, and reports all that differ at the end.
fn check_all(dhow: &Dhow, cases: &[Case]) {
    let bases = make_bases(dhow);
    assert!(!cases.is_empty(), "no case has the wanted name");
    let queue = Mutex::new(cases.iter());
    let reports = Mutex::new(BTreeMap::new());
    let cores = std::thread::available_parallelism().map_or(2, |n| n.get());
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                loop {
                    let next = queue.lock().expect("no panic").next();
                    let Some(case) = next else { break };
                    let differences = check(dhow, &bases, case);
                    if !differences.is_empty() {
                        let mut reports = reports.lock().expect("no panic");
                        reports.insert(case.name.clone(), differences);
                    }
                }
            });
        }
    });
    report(&reports.into_inner().expect("no panic"), cases.len());
}

fn report(reports: &BTreeMap<String, Vec<String>>, total: usize) {
    for (name, differences) in reports {
        eprintln!("{name}:");
        for difference in differences {
            eprintln!("  {}", difference.replace('\n', "\n    "));
        }
    }
    let names: Vec<_> = reports.keys().map(String::as_str).collect();
    assert!(names.is_empty(), "{} of {total} cases differ:\n  {}", names.len(), names.join("\n  "));
    eprintln!("{total} cases, no difference");
}

fn make_bases(dhow: &Dhow) -> Bases {
    let tar = dhow.folder().join("root.tar");
    let script = cases_folder().join("../make-busybox-root");
    let made = Command::new(script).arg(&tar).status().expect("sh runs");
    assert!(made.success(), "make-busybox-root failed");
    dhow.ok(["import", tar.to_str().expect("UTF-8"), ROOT]);
    BASES
        .iter()
        .map(|name| {
            let short = name.rsplit('/').next().expect("a name");
            let work = dhow.work_folder();
            if *name != ROOT {
                let case = Case::at(cases_folder().join("bases").join(short));
                build(dhow, name, &case, work.path()).expect("the base builds");
            }
            ((*name).to_owned(), save(dhow, name, work.path()))
        })
        .collect()
}

/// Builds `case`; the error text where dhow rejects it.
fn build(dhow: &Dhow, tag: &str, case: &Case, work: &Path) -> Result<(), String> {
    let mut arguments = vec!["build".to_owned(), "-t".to_owned(), tag.to_owned()];
    arguments.extend(case.build_arguments(work));
    dhow.hand_over(work);
    let finished = dhow.run(&arguments);
    match finished.code {
        Some(0) => Ok(()),
        Some(101) | None => panic!("{}: dhow crashed:\n{}", case.name, finished.stderr),
        Some(_) => Err(finished.stderr),
    }
}

fn save(dhow: &Dhow, name: &str, work: &Path) -> SavedImage {
    let file = work.join("saved.tar");
    dhow.ok(["save", "-o", file.to_str().expect("UTF-8"), name]);
    SavedImage::read(&file)
}

/// What differs between dhow's image of `case` and the recorded one, a line each.
fn check(dhow: &Dhow, bases: &Bases, case: &Case) -> Vec<String> {
    let work = dhow.work_folder();
    let tag = format!("case/{}", case.name.to_lowercase());
    let expected = case.expected();
    let built = build(dhow, &tag, case, work.path());
    let rejected_by_docker = expected["error"].as_str();
    let differences = match (built, rejected_by_docker) {
        (Err(error), Some(own)) if case.has_own_facts() && !error.contains(own) => {
            vec![format!("dhow rejects it, but not with `{own}`:\n{error}")]
        }
        (Err(_), Some(_)) => Vec::new(),
        (Err(error), None) => vec![format!("dhow rejects it:\n{error}")],
        (Ok(()), Some(error)) => vec![format!("dhow accepts it, docker says: {error}")],
        (Ok(()), None) => compare(&save(dhow, &tag, work.path()), bases, &expected),
    };
    differences.into_iter().chain(case.wrong_deviation().map(str::to_owned)).collect()
}

fn compare(image: &SavedImage, bases: &Bases, expected: &Value) -> Vec<String> {
    let base_name = expected["base"].as_str().expect("a base");
    let base = bases.get(base_name);
    if base.is_some_and(|base| !image.stands_on(base)) {
        return vec![format!("it does not stand on `{base_name}`")];
    }
    let mut differences = Vec::new();
    let mut compare_map = |what: &str, ours: &Facts, theirs: &Value| {
        compare_maps(what, ours, theirs, &mut differences);
    };
    compare_map("config", &config_of(&image.config["config"]), &json!(config_of(&expected["config"])));
    let before = base.map(|base| base.tree.facts()).unwrap_or_default();
    let after = image.tree.facts();
    let changed: Facts = after
        .iter()
        .filter(|(path, facts)| before.get(*path) != Some(*facts))
        .map(|(path, facts)| (path.clone(), Value::Object(facts.clone())))
        .collect();
    compare_map("file", &changed, &expected["files"]);
    let base_history = base.map_or(0, |base| base.history().len());
    let author = image.config["author"].as_str().filter(|a| !a.is_empty());
    for (what, ours, theirs) in [
        ("author", json!(author), &expected["author"]),
        ("deleted", json!(deleted(&before, &after)), &expected["deleted"]),
        ("history", history_of(image, base_history), &history_for(expected)),
    ] {
        if ours != *theirs {
            differences.push(format!("{what}: is  {ours}\n{what}: not {theirs}"));
        }
    }
    differences
}

fn compare_maps(what: &str, ours: &Facts, theirs: &Value, differences: &mut Vec<String>) {
    let theirs = theirs.as_object().expect("an object");
    for (key, value) in ours {
        match theirs.get(key) {
            Some(other) if same(value, other) => {}
            Some(other) => differences.push(format!("{what} {key}: is  {value}\n{what} {key}: not {other}")),
            None => differences.push(format!("{what} {key}: should not be there: {value}")),
        }
    }
    for (key, value) in theirs {
        if !ours.contains_key(key) {
            differences.push(format!("{what} {key}: is missing: {value}"));
        }
    }
}

/// Equality of JSON that does not mind the order of keys.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, value)| b.get(key).is_some_and(|v| same(value, v)))
        }
        _ => one == other,
    }
}

/// The config without what is empty, as the facts have it. `ArgsEscaped` is left out: it is deprecated,
/// speaks of Windows alone, and builders differ in when they set it.
fn config_of(config: &Value) -> Facts {
    let empty = [json!(null), json!(""), json!([]), json!({}), json!(false)];
    let mut config = config.as_object().cloned().unwrap_or_default();
    config.retain(|key, value| !empty.contains(value) && key != "ArgsEscaped");
    config
}

/// The topmost paths of the base that are gone.
fn deleted(before: &BTreeMap<String, Facts>, after: &BTreeMap<String, Facts>) -> Vec<String> {
    let gone = |path: &str| before.contains_key(path) && !after.contains_key(path);
    before
        .keys()
        .filter(|path| gone(path))
        .filter(|path| !path.rsplit_once('/').is_some_and(|(folder, _)| gone(folder)))
        .cloned()
        .collect()
}

fn history_of(image: &SavedImage, skip: usize) -> Value {
    let entries = image.history().into_iter().skip(skip).map(|entry| {
        let text = entry["created_by"].as_str().unwrap_or_default();
        let empty = entry["empty_layer"].as_bool().unwrap_or_default();
        history_entry(text, empty)
    });
    entries.collect()
}

fn history_for(expected: &Value) -> Value {
    let entries = expected["history"].as_array().expect("a history");
    let entries = entries.iter().map(|entry| {
        let text = entry["created_by"].as_str().expect("text");
        history_entry(text, entry["empty_layer"].as_bool().expect("a boolean"))
    });
    entries.collect()
}

/// One line of history. Docker's text for HEALTHCHECK is a Go value printed with `%q`: only the word counts.
fn history_entry(text: &str, empty: bool) -> Value {
    let text = match text.starts_with("HEALTHCHECK") {
        true => "HEALTHCHECK",
        false => text,
    };
    json!([text, empty])
}
