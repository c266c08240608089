//! Golden tests: a folder a case, with a Dockerfile and what becomes of it.
//!
//! `golden/parse/CASE/ast.json` is the tree, `golden/plan/CASE/plan.txt` the plan (with the arguments of
//! `options.json`, if there are any), and `diagnostics.txt` what is said of the file. With `UPDATE_GOLDEN=1` in the
//! environment the files are written instead of compared: read the difference before you commit it.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use dhow_builder::diagnostic::{Diagnostic, Paint};
use dhow_builder::dockerfile::parse;
use dhow_builder::plan::{Bases, ContextKind, Options, Plan, bases, lower};
use dhow_builder::source::SourceFile;
use dhow_layer_store::oci::ImageConfig;
use serde_json::Value;

fn cases(kind: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(kind);
    let mut cases: Vec<PathBuf> =
        fs::read_dir(&folder).expect("golden folder").map(|entry| entry.expect("golden case").path()).collect();
    cases.sort();
    assert!(!cases.is_empty(), "no cases in {}", folder.display());
    cases
}

/// Compares `found` with the file `name` of the case; nothing found and no file is a match too.
fn check(case: &Path, name: &str, found: &str, failures: &mut Vec<String>) {
    let path = case.join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        match found {
            "" => drop(fs::remove_file(&path)),
            _ => fs::write(&path, found).expect("golden file is written"),
        }
        return;
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    if expected != found {
        failures.push(format!("=== {} differs; found:\n{found}", path.display()));
    }
}

fn source(case: &Path) -> SourceFile {
    SourceFile::new("Dockerfile", fs::read(case.join("Dockerfile")).expect("a Dockerfile"))
}

fn render(diagnostics: &[Diagnostic], source: &SourceFile) -> String {
    diagnostics.iter().map(|diagnostic| diagnostic.render(source, Paint::Plain) + "\n\n").collect()
}

#[test]
fn trees() {
    let mut failures = Vec::new();
    for case in cases("parse") {
        let source = source(&case);
        let parsed = parse(&source);
        let tree = serde_json::to_string_pretty(&parsed.dockerfile).expect("a tree is JSON");
        check(&case, "ast.json", &(tree + "\n"), &mut failures);
        check(&case, "diagnostics.txt", &render(&parsed.diagnostics, &source), &mut failures);
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn plans() {
    let mut failures = Vec::new();
    for case in cases("plan") {
        let source = source(&case);
        let (plan, diagnostics) = plan(&case, &source);
        check(&case, "plan.txt", &plan.as_ref().map(show).unwrap_or_default(), &mut failures);
        check(&case, "diagnostics.txt", &render(&diagnostics, &source), &mut failures);
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn plan(case: &Path, source: &SourceFile) -> (Option<Plan>, Vec<Diagnostic>) {
    let (dockerfile, warnings) = match parse(source).into_result() {
        Ok(parsed) => parsed,
        Err(diagnostics) => return (None, diagnostics),
    };
    let (options, configs) = options(case);
    let mut resolved = Bases::new();
    loop {
        let requests = match bases(&dockerfile, &options, &resolved) {
            Ok(requests) => requests,
            Err(diagnostics) => return (None, diagnostics),
        };
        if requests.is_empty() {
            break;
        }
        for request in requests {
            let name = request.image.name();
            let given = configs.get(name.trim_end_matches(":latest")).cloned();
            let config = given.map(|config| serde_json::from_value(config).expect("an image config"));
            let config = config.unwrap_or_else(|| ImageConfig::new(&request.image.platform));
            resolved.insert(request.image, config);
        }
    }
    match lower(&dockerfile, &options, &resolved) {
        Ok(plan) => {
            let diagnostics = warnings.into_iter().chain(plan.warnings.iter().cloned()).collect();
            (Some(plan), diagnostics)
        }
        Err(diagnostics) => (None, diagnostics),
    }
}

fn options(case: &Path) -> (Options, serde_json::Map<String, Value>) {
    let text = fs::read_to_string(case.join("options.json")).unwrap_or_else(|_| "{}".to_owned());
    let value: Value = serde_json::from_str(&text).expect("options are JSON");
    let texts = |key: &str| {
        let object = value[key].as_object().cloned().unwrap_or_default();
        object.into_iter().map(|(key, value)| (key, value.as_str().expect("a text").to_owned())).collect()
    };
    let mut options = Options::new("linux/amd64".parse().expect("a platform"));
    options.target = value["target"].as_str().map(str::to_owned);
    options.platform = value["platform"].as_str().map(|platform| platform.parse().expect("a platform"));
    options.build_args = texts("build_args");
    options.labels = texts("labels");
    let contexts = value["named_contexts"].as_array().cloned().unwrap_or_default();
    options.named_contexts =
        contexts.iter().map(|name| (name.as_str().expect("a name").to_owned(), ContextKind::OwnImage)).collect();
    (options, value["bases"].as_object().cloned().unwrap_or_default())
}

fn show(plan: &Plan) -> String {
    let mut out = String::new();
    for (index, node) in plan.nodes.iter().enumerate() {
        let inputs: Vec<String> = node.inputs.iter().map(|input| format!("#{}", input.0)).collect();
        writeln!(out, "#{index} <- [{}] {}\n    {:?}", inputs.join(" "), node.display, node.op).expect("text");
    }
    let image = &plan.images[0];
    let layers: Vec<String> = image.layers.iter().map(|layer| format!("#{}", layer.0)).collect();
    writeln!(out, "target #{}, base #{}, layers {}", image.target.0, image.base.0, layers.join(" ")).expect("text");
    writeln!(out, "settings {:?}", plan.settings).expect("text");
    let (config, platform) = (&image.config, image.config.platform());
    writeln!(out, "image {platform} by {}", config.author.as_deref().unwrap_or("nobody")).expect("text");
    writeln!(out, "{}", serde_json::to_string_pretty(&config.config).expect("a config is JSON")).expect("text");
    for (index, entry) in config.history.iter().enumerate() {
        let mark = if entry.empty_layer { "     " } else { "layer" };
        let origin = if index < image.base_history { "base " } else { "" };
        writeln!(out, "{origin}{mark} {}", entry.created_by.as_deref().unwrap_or_default()).expect("text");
    }
    out
}
