//! What the reference, language 1.26, makes of a text: whether it is accepted, and which of its rules speak of which
//! lines. A line a class of texts on which dhow once differed, found with variants of real Dockerfiles.

use dhow_builder::diagnostic::Diagnostic;
use dhow_builder::dockerfile::parse;
use dhow_builder::lint::{Check, REFERENCE_RULES, check};
use dhow_builder::plan::{Bases, Options, Plan, Selection, bases, lower};
use dhow_builder::source::SourceFile;
use dhow_layer_store::oci::ImageConfig;

fn options() -> Options {
    Options::new("linux/amd64".parse().expect("a platform"))
}

fn codes(diagnostics: &[Diagnostic]) -> Vec<&'static str> {
    diagnostics.iter().filter(|diagnostic| diagnostic.is_error()).map(|diagnostic| diagnostic.code).collect()
}

/// The plan, its bases being empty images; or the codes of what is wrong.
fn plan(text: &[u8]) -> Result<Plan, Vec<&'static str>> {
    let source = SourceFile::new("Dockerfile", text);
    let (dockerfile, _) = parse(&source).into_result().map_err(|found| codes(&found))?;
    let mut resolved = Bases::new();
    loop {
        let requests = bases(&dockerfile, &options(), &resolved).map_err(|found| codes(&found))?;
        if requests.is_empty() {
            return lower(&dockerfile, &options(), &resolved).map_err(|found| codes(&found));
        }
        for request in requests {
            let config = ImageConfig::new(&request.image.platform);
            resolved.insert(request.image, config);
        }
    }
}

const ACCEPTED: &[&str] = &[
    // A mount's keys count once the stage is built.
    "FROM a AS x\nRUN --mount=type=cache,targett=/x,required=maybe,dst y\nFROM b\n",
    "FROM a AS x\nRUN []\nFROM b\n",
    // A later stage is wrong only where it is needed, or where it comes back.
    "FROM a AS x\nCOPY --from=y /f /\nFROM b AS y\nRUN z\nFROM c\n",
    "ARG SOURCE_DATE_EPOCH=-5\nFROM a\n",
    "ARG SOURCE_DATE_EPOCH=context\nFROM a\n",
    "ARG SOURCE_DATE_EPOCH=\nFROM a\n",
    "ARG SOURCE_DATE_EPOCH=d\nFROM scratch AS d\nARG u=https://e.com/x.tar\nADD $u /\nFROM a\n",
    "ARG SOURCE_DATE_EPOCH=D\nFROM scratch AS d\nADD --keep-git-dir https://e.com/x.git#v1 /\nFROM a\n",
];

const REJECTED: &[(&str, &str)] = &[
    ("FROM a\nRUN --mount=type=cache,targett=/x y\n", "unknown-mount-key"),
    ("FROM a\nRUN --mount=type=cache,target y\n", "missing-mount-value"),
    ("FROM a AS x\nRUN --mount=from=$y,target=/z y\nFROM b\n", "variable-in-from"),
    ("FROM a\nRUN --mount=type=tmpfs,from=N:/,target=/z y\n", "invalid-reference"),
    ("FROM a\nRUN []\n", "missing-command"),
    ("FROM a AS x\nCOPY --from=x /f /\nFROM b\n", "stage-order"),
    ("FROM a AS x\nCOPY --from=y /f /\nFROM b AS y\nRUN --mount=from=x,target=/m z\nFROM c\n", "stage-order"),
    ("FROM a AS x\nCOPY --from=9 /f /\nFROM b\n", "unknown-stage"),
    ("FROM a AS x\nCOPY --from=N:/ /f /\nFROM b\n", "invalid-reference"),
    ("ARG SOURCE_DATE_EPOCH=soon\nFROM a\n", "invalid-epoch"),
    ("ARG SOURCE_DATE_EPOCH=d\nFROM scratch AS d\nCOPY x /\nFROM a\n", "invalid-epoch"),
    ("ARG SOURCE_DATE_EPOCH=d\nFROM scratch AS d\nADD x /\nFROM a\n", "invalid-epoch"),
    ("ARG SOURCE_DATE_EPOCH=d\nFROM a AS d\nADD https://e.com/x /\nFROM a\n", "invalid-epoch"),
    ("ARG SOURCE_DATE_EPOCH=d\nFROM scratch AS d\nFROM a\n", "invalid-epoch"),
    (
        "ARG SOURCE_DATE_EPOCH=d\nFROM scratch AS d\nADD https://e.com/x /\nADD https://e.com/y /\nFROM a\n",
        "invalid-epoch",
    ),
];

#[test]
fn what_is_accepted() {
    for text in ACCEPTED {
        let planned = plan(text.as_bytes()).map(drop);
        assert_eq!(planned, Ok(()), "{text}");
    }
}

#[test]
fn what_is_rejected() {
    for (text, code) in REJECTED {
        let error = plan(text.as_bytes()).map(drop).expect_err(text);
        assert!(error.contains(code), "{text}: {error:?}");
    }
    assert_eq!(plan(b"FROM a\nRUN \xff\n").map(drop), Err(vec!["invalid-utf-8"]));
    assert!(plan(b"FROM a\n# \xff\nLABEL a=\xff\n").is_ok());
}

#[test]
fn absolute_working_directories_stay_as_written() {
    let text = b"FROM a\nWORKDIR /a//b/../c/\nWORKDIR d/./\nWORKDIR /x/\n";
    let plan = plan(text).expect("a plan");
    let lines: Vec<_> = plan.images[0].config.history.iter().filter_map(|entry| entry.created_by.as_deref()).collect();
    assert_eq!(lines, ["WORKDIR /a//b/../c/", "WORKDIR /a/c/d", "WORKDIR /x/"]);
    assert_eq!(plan.images[0].config.config.working_dir, "/x/");
}

/// The rules of the reference that speak, each with the line that the reference tells.
fn speaking(text: &str, selection: Selection) -> Vec<(&'static str, usize)> {
    let source = SourceFile::new("Dockerfile", text);
    let (dockerfile, _) = parse(&source).into_result().expect("it parses");
    let (options, bases) = (Options { selection, ..options() }, Bases::new());
    let subject = Check { source: &source, dockerfile: &dockerfile, options: &options, bases: &bases, ignore: None };
    let findings = check(&subject).expect("valid switches").findings;
    let known = |code: &str| REFERENCE_RULES.iter().any(|rule| rule.name == code);
    findings.iter().filter(|found| known(found.code)).map(|found| (found.code, found.line(&source))).collect()
}

const LINES: &[(&str, &[(&str, usize)])] = &[
    ("FROM a\nENV b=c \\\n  d=$e\n", &[("UndefinedVar", 2)]),
    ("FROM a\nCOPY <<E /x\n\n$y\nE\n", &[("UndefinedVar", 2)]),
    ("FROM a\nRUN b \\\n\n  c\n", &[("NoEmptyContinuation", 4)]),
    ("FROM a\nRUN <<E \\\n\n  c\nx\nE\n", &[("NoEmptyContinuation", 4)]),
    ("FROM a\\\n\n", &[("NoEmptyContinuation", 2)]),
    ("FROM a\nRUN b\\\n\n\n", &[("NoEmptyContinuation", 4)]),
    ("FROM a\\\n\n AS b\n", &[("NoEmptyContinuation", 3)]),
    ("# check=experimental=all\n\n# b c\nARG d\nFROM a\n", &[("InvalidDefinitionDescription", 4)]),
    // The reference takes no notice of variables in EXPOSE, and none of comments that are indented.
    ("FROM a\nEXPOSE $b 1\n", &[]),
    ("FROM a\n # check=skip=all\nENV b c\n", &[("LegacyKeyValueFormat", 3)]),
    ("FROM a\nCMD [\"b\"]\nCMD [\"c\"]\n", &[("MultipleInstructionsDisallowed", 2)]),
];

#[test]
fn lines_that_are_told() {
    for (text, expected) in LINES {
        assert_eq!(speaking(text, Selection::All), *expected, "{text}");
    }
}

#[test]
fn a_build_hears_of_the_stages_that_it_needs() {
    let text = "FROM a AS B\nENV c d\nARG TOKEN\nCMD e\nFROM a\n";
    assert_eq!(speaking(text, Selection::Needed), [("StageNameCasing", 1)]);
    let all = ["StageNameCasing", "LegacyKeyValueFormat", "SecretsUsedInArgOrEnv", "JSONArgsRecommended"];
    let found: Vec<_> = speaking(text, Selection::All).into_iter().map(|(code, _)| code).collect();
    assert_eq!(found, all);
}

#[test]
fn findings_fail_a_build_that_says_so() {
    let violation = |text: &str| {
        let source = SourceFile::new("Dockerfile", text);
        let (dockerfile, _) = parse(&source).into_result().expect("it parses");
        let (options, bases) = (options(), Bases::new());
        let subject =
            Check { source: &source, dockerfile: &dockerfile, options: &options, bases: &bases, ignore: None };
        let report = check(&subject).expect("valid switches");
        (report.violation.map(|error| error.message), report.remarks.len())
    };
    let message = "`error=true` makes an error of what the rules StageNameCasing, MaintainerDeprecated found";
    let text = "# check=error=true;skip=Nope\nFROM a AS B\nMAINTAINER c\n";
    assert_eq!(violation(text), (Some(message.to_owned()), 1));
    assert_eq!(violation("FROM a AS B\n"), (None, 0));
    // A rule that the reference does not have fails no build that it accepts.
    assert_eq!(violation("# check=error=true\nFROM a\nRUN apt-get install -y b\n"), (None, 0));
}
