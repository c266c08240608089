//! The house rules that a machine can check: the direction of imports between our crates, where
//! `unsafe` may stand, how long a file may be, and what libraries never do.
//!
//! Reads the sources as text; it does not judge style beyond these rules (rustfmt and clippy do).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Every edge between our crates that the design allows: (crate, what it may import).
const EDGES: &[(&str, &[&str])] = &[
    ("dhow", &["dhow-builder", "dhow-registry-client", "dhow-layer-store", "dhow-runtime"]),
    ("dhow-builder", &["dhow-layer-store", "dhow-runtime"]),
    ("dhow-registry-client", &["dhow-layer-store"]),
    ("dhow-layer-store", &[]),
    ("dhow-runtime", &[]),
];

/// The folders of the library crates: they never print, exit, or read the environment.
const LIBRARIES: &[&str] = &["builder", "registry-client", "layer-store", "runtime"];

/// The one file that may hold `unsafe`.
const UNSAFE_FILE: &str = "runtime/src/sys.rs";

/// A file is looked at again at 400 lines; this is where it has to be split.
const MOST_LINES: usize = 500;

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the cli folder has a parent").to_path_buf()
}

/// Every `.rs` file under `folder`, as a path relative to the workspace, with its text.
fn sources(folder: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut pending = vec![workspace().join(folder)];
    while let Some(directory) = pending.pop() {
        let Ok(entries) = fs::read_dir(&directory) else {
            continue;
        };
        for entry in entries {
            let path = entry.expect("a readable directory").path();
            if path.is_dir() {
                pending.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let name = path.strip_prefix(workspace()).expect("below the workspace");
                let text = fs::read_to_string(&path).expect("a source file is UTF-8");
                found.push((name.to_string_lossy().into_owned(), text));
            }
        }
    }
    found.sort();
    found
}

/// The sources of all crates, tests included.
fn all_sources() -> Vec<(String, String)> {
    let mut all = sources("cli");
    for library in LIBRARIES {
        all.extend(sources(library));
    }
    assert!(all.len() > 5, "the sources were not found: {all:?}");
    all
}

/// Whether a file below src/ holds unit tests only.
fn is_test(name: &str) -> bool {
    let stem = Path::new(name).file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    stem == "tests" || stem.ends_with("_tests") || stem.starts_with("test_") || name.contains("/tests/")
}

/// The part of a file before its own unit tests, where the rules for libraries hold.
fn without_tests(text: &str) -> &str {
    let end = text.find("#[cfg(test)]").unwrap_or(text.len());
    &text[..end]
}

/// `line` without its comment and without the text of simple string literals.
fn code_of(line: &str) -> String {
    let mut code = String::new();
    let mut in_string = false;
    let line = line.replace("'\"'", "''");
    let mut characters = line.chars().peekable();
    while let Some(c) = characters.next() {
        match c {
            '\\' if in_string => {
                characters.next();
            }
            '"' => in_string = !in_string,
            '/' if !in_string && characters.peek() == Some(&'/') => break,
            _ if in_string => {}
            _ => code.push(c),
        }
    }
    code
}

fn has_word(code: &str, word: &str) -> bool {
    code.split(|c: char| !c.is_alphanumeric() && c != '_').any(|w| w == word)
}

fn fail_on(found: Vec<String>, rule: &str) {
    assert!(found.is_empty(), "{rule}:\n  {}", found.join("\n  "));
}

#[test]
fn crates_import_only_downwards() {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .current_dir(workspace())
        .output()
        .expect("cargo metadata runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    assert_eq!(packages.len(), EDGES.len(), "a crate was added: add its edges here and to the design");
    let mut wrong = Vec::new();
    for package in packages {
        let name = package["name"].as_str().expect("a name");
        let (_, allowed) =
            EDGES.iter().find(|(from, _)| *from == name).unwrap_or_else(|| panic!("`{name}` has no entry in EDGES"));
        for dependency in package["dependencies"].as_array().expect("dependencies") {
            let to = dependency["name"].as_str().expect("a name");
            let ours = EDGES.iter().any(|(crate_name, _)| *crate_name == to);
            if ours && !allowed.contains(&to) {
                wrong.push(format!("`{name}` imports `{to}`"));
            }
        }
    }
    fail_on(wrong, "imports the design does not allow");
}

#[test]
fn unsafe_stands_in_one_file() {
    let mut found = Vec::new();
    for (name, text) in all_sources() {
        if name == UNSAFE_FILE {
            continue;
        }
        for (number, line) in text.lines().enumerate() {
            if has_word(&code_of(line), "unsafe") {
                found.push(format!("{name}:{}: {}", number + 1, line.trim()));
            }
        }
    }
    fail_on(found, "`unsafe` outside runtime/src/sys.rs");
}

#[test]
fn files_are_short() {
    let found = all_sources()
        .into_iter()
        .map(|(name, text)| (name, text.lines().count()))
        .filter(|(_, lines)| *lines > MOST_LINES)
        .map(|(name, lines)| format!("{name}: {lines} lines"))
        .collect();
    fail_on(found, "files with two jobs");
}

#[test]
fn nothing_is_imported_with_a_star() {
    let mut found = Vec::new();
    for (name, text) in all_sources() {
        for (number, line) in text.lines().enumerate() {
            let code = code_of(line);
            let import = code.trim_start().starts_with("use ")
                || code.trim_start().starts_with("pub use ")
                || code.trim_start().starts_with("pub(crate) use ");
            if import && code.contains("::*") {
                found.push(format!("{name}:{}: {}", number + 1, line.trim()));
            }
        }
    }
    fail_on(found, "imports that hide where a name comes from");
}

#[test]
fn every_module_says_its_job() {
    let found = all_sources()
        .into_iter()
        .filter(|(_, text)| !text.trim_start().starts_with("//!"))
        .map(|(name, _)| name)
        .collect();
    fail_on(found, "files that do not open with `//!`");
}

#[test]
fn libraries_neither_print_nor_exit_nor_read_the_environment() {
    const FORBIDDEN: &[&str] = &[
        "println!",
        "eprintln!",
        "print!",
        "eprint!",
        "process::exit",
        "env::var",
        "env::vars",
        "env::home_dir",
        "todo!",
        "unimplemented!",
    ];
    let mut found = Vec::new();
    for library in LIBRARIES {
        for (name, text) in sources(&format!("{library}/src")).into_iter().filter(|(name, _)| !is_test(name)) {
            for (number, line) in without_tests(&text).lines().enumerate() {
                let code = code_of(line);
                if FORBIDDEN.iter().any(|call| calls(&code, call)) {
                    found.push(format!("{name}:{}: {}", number + 1, line.trim()));
                }
            }
        }
    }
    fail_on(found, "a library prints, exits or reads the environment");
}

/// Whether `code` holds `call` as a whole word (`print!` is not part of `eprint!`).
fn calls(code: &str, call: &str) -> bool {
    code.match_indices(call).any(|(at, _)| {
        !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_')
            && !code[at + call.len()..].starts_with(|c: char| c.is_alphanumeric() || c == '_')
    })
}

#[test]
fn there_is_no_drawer_for_odds_and_ends() {
    let found = all_sources()
        .into_iter()
        .map(|(name, _)| name)
        .filter(|name| {
            matches!(
                Path::new(name).file_stem().and_then(|s| s.to_str()),
                Some("utils" | "util" | "helpers" | "misc" | "common")
            )
        })
        .collect();
    fail_on(found, "a file whose name says nothing of its job");
}
