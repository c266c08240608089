//! The cases of `testdata/conformance` as far as a plan goes: what Docker's builder accepts is planned, and history and
//! config are what it recorded. Files, and errors that only show when commands run, are the end-to-end tests' matter.

use std::fs;
use std::path::{Path, PathBuf};

use dhow_builder::diagnostic::{Diagnostic, Paint};
use dhow_builder::dockerfile::parse;
use dhow_builder::plan::{Bases, Options, Plan, bases, lower};
use dhow_builder::source::SourceFile;
use dhow_layer_store::oci::ImageConfig;
use serde_json::{Map, Value, json};

#[path = "../../testdata/conformance/facts.rs"]
mod facts_of_case;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/conformance")
}

/// Folders with a recorded outcome.
fn cases() -> Vec<PathBuf> {
    let folders = |path: &Path| {
        let entries = fs::read_dir(path).expect("a folder").map(|entry| entry.expect("an entry").path());
        entries.filter(|path| path.is_dir()).collect::<Vec<_>>()
    };
    let mut cases: Vec<PathBuf> = folders(&root()).iter().flat_map(|topic| folders(topic)).collect();
    cases.retain(|case| case.join("expected.json").exists());
    cases.sort();
    cases
}

fn options(case: &Path) -> Options {
    let mut options = Options::new("linux/amd64".parse().expect("a platform"));
    let text = fs::read_to_string(case.join("options")).unwrap_or_default();
    let mut words = text.lines();
    while let Some(word) = words.next() {
        let (name, value) = match word.split_once('=') {
            Some((name, value)) if name.starts_with("--") => (name, value),
            _ => (word, words.next().expect("a value")),
        };
        match name {
            "--target" => options.target = Some(value.to_owned()),
            "--build-arg" => options.build_args.extend([pair(value)]),
            "--label" => options.labels.extend([pair(value)]),
            "--platform" => options.platform = Some(value.parse().expect("a platform")),
            _ => {}
        }
    }
    options
}

fn pair(text: &str) -> (String, String) {
    text.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned())).expect("NAME=value")
}

/// The config of a base: of a folder in `bases`, or an empty one.
fn base_config(name: &str) -> ImageConfig {
    let options = Options::new("linux/amd64".parse().expect("a platform"));
    let folder =
        name.strip_prefix("dhow-test/").map(|name| root().join("bases").join(name.trim_end_matches(":latest")));
    match folder.filter(|folder| folder.exists()) {
        Some(folder) => plan(&folder, &options).expect("bases build").images.remove(0).config,
        None => ImageConfig::new(&options.host),
    }
}

fn plan(case: &Path, options: &Options) -> Result<Plan, String> {
    let source = SourceFile::new("Dockerfile", fs::read(case.join("Dockerfile")).expect("a Dockerfile"));
    let show =
        |found: Vec<Diagnostic>| found.iter().map(|d| d.render(&source, Paint::Plain)).collect::<Vec<_>>().join("\n");
    let (dockerfile, _) = parse(&source).into_result().map_err(show)?;
    let mut resolved = Bases::new();
    loop {
        let requests = bases(&dockerfile, options, &resolved).map_err(show)?;
        if requests.is_empty() {
            return lower(&dockerfile, options, &resolved).map_err(show);
        }
        for request in requests {
            resolved.insert(request.image.clone(), base_config(&request.image.name()));
        }
    }
}

/// The parts of a config that are recorded, without what is empty or not comparable.
fn comparable(config: &Value) -> Value {
    let fields = config.as_object().cloned().unwrap_or_default();
    let empty = |value: &Value| {
        matches!(value, Value::Null) || value == &json!("") || value == &json!([]) || value == &json!({})
    };
    let kept = fields.into_iter().filter(|(name, value)| name != "ArgsEscaped" && !empty(value));
    let mut kept: Vec<(String, Value)> = kept.collect();
    kept.sort_by(|a, b| a.0.cmp(&b.0));
    Value::Object(kept.into_iter().collect::<Map<_, _>>())
}

fn history(plan: &Plan) -> Value {
    let own = plan.images[0].config.history[plan.images[0].base_history..].iter();
    own.map(|entry| json!({"created_by": entry.created_by, "empty_layer": entry.empty_layer})).collect()
}

/// As much of the end of `history` as `expected` has: where the first steps are those of another base, the facts are
/// told relative to that.
fn ending(history: Value, expected: &Value) -> Value {
    let (mut entries, count) =
        (history.as_array().cloned().unwrap_or_default(), expected.as_array().map_or(0, Vec::len));
    let start = entries.len().saturating_sub(count);
    without_healthchecks(Value::Array(entries.split_off(start)))
}

/// The text of a health check's entry has changed since the facts were recorded.
fn without_healthchecks(mut history: Value) -> Value {
    for entry in history.as_array_mut().into_iter().flatten() {
        if entry["created_by"].as_str().is_some_and(|text| text.starts_with("HEALTHCHECK ")) {
            entry["created_by"] = json!("HEALTHCHECK");
        }
    }
    history
}

#[test]
fn plans_agree_with_the_recorded_facts() {
    let mut failures = Vec::new();
    let cases = cases();
    assert!(cases.len() > 100, "the conformance cases were not found");
    for case in &cases {
        let expected = facts_of_case::expected(case);
        if expected.get("error").is_some() {
            continue;
        }
        let name = case.strip_prefix(root()).expect("below").display().to_string();
        match plan(case, &options(case)) {
            Err(error) => failures.push(format!("{name} is rejected:\n{error}")),
            Ok(plan) => {
                let config = serde_json::to_value(&plan.images[0].config.config).expect("JSON");
                let pairs = [
                    (
                        "history",
                        ending(history(&plan), &expected["history"]),
                        without_healthchecks(expected["history"].clone()),
                    ),
                    ("config", comparable(&config), comparable(&expected["config"])),
                ];
                for (what, found, wanted) in pairs.into_iter().filter(|(_, found, wanted)| found != wanted) {
                    failures.push(format!("{name}: {what} differs\n  found  {found}\n  wanted {wanted}"));
                }
            }
        }
    }
    assert!(failures.is_empty(), "{} of {}:\n{}", failures.len(), cases.len(), failures.join("\n"));
}

/// Docker rejects these, and so does the plan, or a step that runs.
#[test]
fn errors_of_the_text_are_found_without_running_anything() {
    let runtime = [
        "add-missing-source",
        "bad-ignore-pattern",
        "command-not-found",
        "copy-directory-onto-file",
        "copy-folder-over-symlink",
        "copy-from-missing-path",
        "exec-not-found",
        "ignored-source",
        "lone-exclamation-mark",
        "missing-base",
        "missing-source",
        "mount-from-unknown-path",
        "run-fails",
        "secret-required",
        "unknown-user",
        "tar-with-whiteout-names",
        "security-insecure-without-entitlement",
        "chown-unknown-flag-value",
        "copy-heredoc-to-several",
        "unknown-stage",
        "escaped-space-is-no-quote",
        "workdir-on-file",
    ];
    let mut accepted = Vec::new();
    for case in cases() {
        let expected = facts_of_case::expected(&case);
        let name = case.file_name().expect("a name").to_string_lossy().into_owned();
        if expected.get("error").is_some() && !runtime.contains(&name.as_str()) && plan(&case, &options(&case)).is_ok()
        {
            accepted.push(format!("{} ({})", case.display(), expected["error"]));
        }
    }
    assert!(accepted.is_empty(), "{}", accepted.join("\n"));
}
