//! Every rule has a page in `docs/lint`, and the page's examples hold: the rule finds something in the bad one and
//! nothing in the good one.

use std::fs;
use std::path::{Path, PathBuf};

use dhow_builder::dockerfile::parse;
use dhow_builder::ignore::IgnoreRules;
use dhow_builder::lint::{Check, Config, RULES, check, check_with};
use dhow_builder::plan::{Bases, Options, bases};
use dhow_builder::source::SourceFile;
use dhow_layer_store::oci::{ImageConfig, Platform};

fn options() -> Options {
    Options::new("linux/amd64".parse().expect("a platform"))
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/lint")
}

/// The first code block with `info` after `heading`.
fn block(page: &str, heading: &str, info: &str) -> Option<String> {
    let (_, rest) = page.split_once(heading)?;
    let (_, rest) = rest.split_once(&format!("```{info}\n"))?;
    Some(rest.split_once("```")?.0.to_owned())
}

/// How often `rule` alone speaks about `text`.
fn findings(page: &str, text: &str, config: &Config) -> usize {
    let source = SourceFile::new("Dockerfile", text);
    let (dockerfile, _) = parse(&source).into_result().expect("examples parse");
    let ignore =
        block(page, "", "ignore").map(|text| IgnoreRules::parse(&SourceFile::new("ignore", text)).expect("valid"));
    let platforms = block(page, "", "json bases").unwrap_or_else(|| "{}".to_owned());
    let platforms: serde_json::Value = serde_json::from_str(&platforms).expect("bases are JSON");
    let mut known = Bases::new();
    // An example of a base that is none has none to give.
    for request in bases(&dockerfile, &options(), &known).unwrap_or_default() {
        if let Some(platform) = platforms[request.written.as_str()].as_str() {
            let platform: Platform = platform.parse().expect("a platform");
            known.insert(request.image, ImageConfig::new(&platform));
        }
    }
    let options = options();
    let subject =
        Check { source: &source, dockerfile: &dockerfile, options: &options, bases: &known, ignore: ignore.as_ref() };
    let report = check_with(&subject, config);
    assert!(report.errors.iter().all(|error| error.code == "invalid-reference"), "{text}: {:?}", report.errors);
    report.findings.len()
}

#[test]
fn examples_of_the_pages_hold() {
    for rule in &RULES {
        let page = fs::read_to_string(folder().join(format!("{}.md", rule.name)));
        let page = page.unwrap_or_else(|error| panic!("{} has no page: {error}", rule.name));
        let config = Config::only(rule);
        let bad = block(&page, "## Bad", "dockerfile").expect("a bad example");
        let good = block(&page, "## Good", "dockerfile").expect("a good example");
        assert_ne!(findings(&page, &bad, &config), 0, "{} finds nothing in its bad example", rule.name);
        assert_eq!(findings(&page, &good, &config), 0, "{} finds something in its good example", rule.name);
    }
}

#[test]
fn every_page_belongs_to_a_rule() {
    for entry in fs::read_dir(folder()).expect("docs/lint") {
        let name = entry.expect("a page").file_name().into_string().expect("a name");
        let name = name.trim_end_matches(".md");
        assert!(name == "README" || RULES.iter().any(|rule| rule.name == name), "{name}");
    }
}

/// The rules that speak about `text`, switched by the text itself.
fn speaking(text: &str) -> Vec<&'static str> {
    let source = SourceFile::new("Dockerfile", text);
    let (dockerfile, _) = parse(&source).into_result().expect("it parses");
    let (options, bases) = (options(), Bases::new());
    let subject = Check { source: &source, dockerfile: &dockerfile, options: &options, bases: &bases, ignore: None };
    check(&subject).expect("valid switches").findings.iter().map(|finding| finding.code).collect()
}

#[test]
fn rules_can_be_switched() {
    let text = "FROM alpine AS A\nENV a b\nMAINTAINER me\n";
    let with = |first: &str| speaking(&format!("{first}{text}"));
    assert_eq!(with(""), ["StageNameCasing", "LegacyKeyValueFormat", "MaintainerDeprecated"]);
    assert_eq!(with("# check=skip=all\n"), [""; 0]);
    assert_eq!(with("# check=skip=StageNameCasing,MaintainerDeprecated\n"), ["LegacyKeyValueFormat"]);
    assert_eq!(with("# check=skip=all;experimental=all\n"), ["UnpinnedBase"]);
    // As for the reference, it is read up to the first blank.
    assert_eq!(
        with("# check=skip=StageNameCasing, MaintainerDeprecated\n"),
        ["LegacyKeyValueFormat", "MaintainerDeprecated"]
    );
    // Rules about the file as a whole are not switched by comments.
    assert_eq!(speaking("FROM a\n# check=skip=all\nrun b\n"), ["ConsistentInstructionCasing"]);
    assert_eq!(
        speaking("FROM alpine\n# check=skip=LegacyKeyValueFormat\nENV a b\nENV c d\n"),
        ["LegacyKeyValueFormat"]
    );
    assert_eq!(speaking("FROM alpine\nRUN x\n# check=skip=all\nFROM alpine AS A\n"), ["UnreachableStage"]);
}

/// One text, the rules that speak about it.
const CASES: &[(&str, &[&str])] = &[
    ("FROM a\nRUN <<E\necho one && \\\necho two\nE\n", &[]),
    ("FROM a\nSHELL [\"/bin/bash\", \"-euo\", \"pipefail\", \"-c\"]\nRUN <<E\none\ntwo\nE\n", &[]),
    ("FROM a\nRUN <<E\n#!/usr/bin/python3\none\ntwo\nE\n", &[]),
    ("FROM a\nRUN cat <<E > /f\none\ntwo\nE\n", &[]),
    ("FROM a AS b\nRUN apt-get update\nFROM scratch\nCOPY --from=b /x /x\n", &[]),
    ("FROM a AS b\nRUN apt-get update\nFROM b\n", &["AptListsLeft"]),
    ("FROM a\nRUN apt-get update && apt-get install -y x && rm -rf /var/lib/apt/lists/*\n", &[]),
    ("FROM a\nADD https://e.com/x /x\nADD x.tar.bz2 $y /y\nADD --unpack=true x /z/\n", &["UndefinedVar"]),
    ("FROM a\nARG PUBLIC_KEY KEYRING MONKEY\nENV SSH_KEY_FILE=x\n", &[]),
    ("FROM a\nENV GITHUB=ghp_0123456789012345678901234567890123456789\n", &["SecretInImage"]),
    ("FROM a\nCOPY . .\nRUN pip install .\n", &[]),
    ("FROM a\nCOPY . .\nRUN pip install -r requirements.txt\n", &["ContextBeforeDependencies"]),
    ("ARG A\nFROM a\nARG A\nENV x=$A\n", &[]),
    ("ARG A\nFROM a\nENV x=$A\n", &["UndefinedVar"]),
    ("FROM a\nWORKDIR /x\nWORKDIR y\n", &[]),
    ("FROM a\nSHELL [\"/bin/sh\", \"-c\"]\nCMD x\n", &[]),
    ("from a as b\n", &[]),
    ("FROM a\nEXPOSE 80/UDP 1:2\n", &["ExposeProtoCasing", "ExposeInvalidFormat"]),
];

#[test]
fn texts_and_what_is_said_of_them() {
    for (text, expected) in CASES {
        assert_eq!(speaking(text), *expected, "{text}");
    }
}
