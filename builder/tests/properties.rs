//! What holds for any text: the readers never panic, places lie in the text, formatting keeps the meaning and is done
//! after one go.

use dhow_builder::diagnostic::{Diagnostic, Paint};
use dhow_builder::dockerfile::env::Env;
use dhow_builder::dockerfile::word::{Escape, Word, expand, expand_heredoc};
use dhow_builder::dockerfile::{format, meaning, parse};
use dhow_builder::ignore::IgnoreRules;
use dhow_builder::lint::{Check, check};
use dhow_builder::pattern::Pattern;
use dhow_builder::plan::{Bases, Options, Selection, lower};
use dhow_builder::source::{SourceFile, Span};
use proptest::collection::vec;
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};
use proptest::sample::select;
use serde_json::Value;

/// Pieces that mean something to a Dockerfile, to be thrown together.
const PIECES: &[&str] = &[
    "FROM a AS b\n",
    "FROM scratch\n",
    "RUN ",
    "COPY ",
    "ADD ",
    "ENV ",
    "ARG ",
    "LABEL ",
    "CMD ",
    "ONBUILD ",
    "SHELL ",
    "USER ",
    "WORKDIR ",
    "EXPOSE ",
    "VOLUME ",
    "HEALTHCHECK CMD ",
    "STOPSIGNAL ",
    "\n",
    "\n\n",
    "\\\n",
    "\r\n",
    "# c\n",
    "#\n",
    "  ",
    "\t",
    "\"",
    "'",
    "\\",
    "`",
    "$",
    "${A",
    "${A:-",
    "${A#",
    "${A//",
    "}",
    "=",
    "a=b",
    "[",
    "]",
    "[\"a\", \"b\"]",
    ",",
    "--",
    "--from=b ",
    "--link ",
    "--mount=type=cache,target=/c ",
    "--mount=",
    "--chmod=u+x ",
    "--exclude=* ",
    "--platform=$A ",
    "<<EOF",
    "<<-'E' ",
    "\nEOF\n",
    "/a/./b ",
    "* ",
    "é",
    "\u{a0}",
    "80",
    "8000-8001/udp",
    "https://e.com/x.git#v ",
    "# escape=`\n",
    "# check=skip=all\n",
    "#!x\n",
    "\u{feff}",
    "NONE",
    "@",
    "0",
];

fn soup() -> impl Strategy<Value = String> {
    let pieces = vec(prop_oneof![8 => select(PIECES).prop_map(str::to_owned), 1 => "\\PC{0,6}"], 0..40);
    (prop_oneof![Just("FROM a\n"), Just(""), Just("# escape=`\nFROM a\n")], pieces)
        .prop_map(|(first, pieces)| format!("{first}{}", pieces.concat()))
}

/// Words that need no quotes.
fn word() -> impl Strategy<Value = String> {
    "[a-z0-9_./$-]{1,8}".prop_filter("a flag", |word| !word.starts_with("--"))
}

/// Instructions that are well formed, written with odd spacing.
fn statement() -> impl Strategy<Value = String> {
    let gap = || select(&[" ", "  ", "\t", " \\\n", "  \\\n   ", " \\\n# note\n  ", " \\\n\n "][..]);
    let words = || {
        vec((gap(), word()), 1..4)
            .prop_map(|words| words.into_iter().map(|(g, w)| g.to_owned() + &w).collect::<String>())
    };
    let pairs = || {
        let value =
            prop_oneof![word(), word().prop_map(|w| format!("\"{w}  {w}\"")), word().prop_map(|w| format!("'{w}'"))];
        vec((gap(), "[A-Z]{1,4}", value), 1..4)
            .prop_map(|pairs| pairs.into_iter().map(|(g, n, v)| format!("{g}{n}={v}")).collect::<String>())
    };
    prop_oneof![
        words().prop_map(|words| format!("run{words}")),
        (words(), words()).prop_map(|(a, b)| format!("Copy --link{a}{b}")),
        pairs().prop_map(|pairs| format!("ENV{pairs}")),
        pairs().prop_map(|pairs| format!("label{pairs}")),
        words().prop_map(|words| format!("EXPOSE{words}")),
        vec(word(), 0..4).prop_map(|list| format!("CMD {}", serde_json::to_string(&list).expect("JSON"))),
        (word(), "[ -~\n]{0,20}").prop_map(|(name, body)| format!("RUN <<'X{name}'\n{body}\nX{name}")),
        Just("# a comment\n".to_owned()),
        Just("\n\n".to_owned()),
    ]
}

fn dockerfile() -> impl Strategy<Value = String> {
    vec(statement(), 0..12).prop_map(|statements| format!("FROM base\n{}\n", statements.join("\n")))
}

/// Every span of a tree, found by its shape.
fn spans(value: &Value, found: &mut Vec<Span>) {
    match value {
        Value::Array(values) => values.iter().for_each(|value| spans(value, found)),
        Value::Object(fields) => {
            if let (2, Some(start), Some(end)) = (fields.len(), fields.get("start"), fields.get("end")) {
                let offset = |value: &Value| value.as_u64().expect("an offset") as usize;
                found.push(Span { start: offset(start), end: offset(end) });
            }
            fields.values().for_each(|value| spans(value, found));
        }
        _ => {}
    }
}

fn options() -> Options {
    let mut options = Options::new("linux/amd64".parse().expect("a platform"));
    options.selection = Selection::All;
    options
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_read(text in soup()) {
        let source = SourceFile::new("Dockerfile", &text);
        let parsed = parse(&source);
        let mut found = Vec::new();
        spans(&serde_json::to_value(&parsed.dockerfile).expect("JSON"), &mut found);
        for span in found {
            prop_assert!(source.text().get(span.range()).is_some(), "{span:?} does not lie in {text:?}");
        }
        for diagnostic in &parsed.diagnostics {
            prop_assert!(diagnostic.render(&source, Paint::Plain).contains(&diagnostic.message));
        }
    }

    #[test]
    fn what_is_read_is_planned_and_checked(text in soup()) {
        let source = SourceFile::new("Dockerfile", &text);
        let Ok((dockerfile, _)) = parse(&source).into_result() else { return Ok(()) };
        let (options, bases) = (options(), Bases::new());
        match lower(&dockerfile, &options, &bases) {
            Ok(plan) => {
                for (index, node) in plan.nodes.iter().enumerate() {
                    prop_assert!(node.inputs.iter().all(|input| input.0 < index), "an input of {index} comes later");
                }
                let layers = plan.images[0].config.history[plan.images[0].base_history..].iter().filter(|entry| !entry.empty_layer).count();
                prop_assert_eq!(layers, plan.images[0].layers.len());
            }
            Err(diagnostics) => prop_assert!(diagnostics.iter().any(Diagnostic::is_error)),
        }
        let subject = Check { source: &source, dockerfile: &dockerfile, options: &options, bases: &bases, ignore: None };
        drop(check(&subject));
    }

    #[test]
    fn formatting_keeps_the_meaning(text in prop_oneof![soup(), dockerfile()]) {
        let source = SourceFile::new("Dockerfile", &text);
        let Ok((before, _)) = parse(&source).into_result() else { return Ok(()) };
        let once = format(&source).expect("it parses");
        let after = parse(&SourceFile::new("Dockerfile", &once)).dockerfile;
        prop_assert_eq!(meaning::of(&before), meaning::of(&after), "{}", once);
        let twice = format(&SourceFile::new("Dockerfile", &once)).expect("it parses");
        prop_assert_eq!(once, twice);
    }

    #[test]
    fn well_formed_files_parse(text in dockerfile()) {
        let source = SourceFile::new("Dockerfile", &text);
        let parsed = parse(&source);
        let errors: Vec<String> =
            parsed.diagnostics.iter().filter(|d| d.is_error()).map(|d| d.render(&source, Paint::Plain)).collect();
        prop_assert!(errors.is_empty(), "{}", errors.join("\n"));
    }

    #[test]
    fn any_word_is_expanded_or_refused(text in prop_oneof![soup(), "[$a{}:?#%/'\"* \\\\-]{0,20}"]) {
        let env: Env = [("A", "a/b.c"), ("a", "")].into_iter().collect();
        let word = Word::new(text.as_str(), Span::default());
        for escape in [Escape::Backslash, Escape::Backtick] {
            if let Ok(expansion) = expand(&word, &env, escape) {
                prop_assert!(expansion.words.iter().all(|word| !word.is_empty()));
            }
        }
        drop(expand_heredoc(&text, &env));
    }

    #[test]
    fn any_ignore_file_is_read_or_refused(text in "[a-c*?!/.\\[\\]^\\\\ \n#-]{0,40}", path in "[a-c/.]{0,12}") {
        if let Ok(rules) = IgnoreRules::parse(&SourceFile::new(".dockerignore", &text)) {
            prop_assert_eq!(rules.explain(&path).is_some(), rules.is_ignored(&path));
        }
    }

    #[test]
    fn a_pattern_of_plain_letters_matches_itself_alone(path in "[a-z/]{1,10}", other in any::<String>()) {
        let pattern = Pattern::wildcard(&path).expect("valid pattern");
        prop_assert!(pattern.matches(&path));
        prop_assert_eq!(pattern.matches(&other), path == other);
    }
}
