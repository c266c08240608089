//! What is found in Dockerfiles: after a build, as JSON, and as SARIF.

use serde_json::Value;

use crate::context::{BUSYBOX, context, import_busybox, text};
use crate::dhow::Dhow;
use crate::skip::need;

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}:\n{text}"))
}

fn codes(document: &Value) -> Vec<&str> {
    let found = document["diagnostics"].as_array().expect("diagnostics");
    found.iter().map(|found| found["code"].as_str().expect("a code")).collect()
}

#[test]
fn every_kind_of_mistake_is_found_at_once() {
    let dhow = Dhow::new();
    let dockerfile = "# check=skip=StageNameCase\nFROM scratch AS Base\nRUNN x\nCOPY --chwon=1 a /\n\
        RUN --mount=type=cache,targte=/x y\nCOPY --chmod=9z a /\nFROM N:/ AS b\nCOPY --from=base a /\nSTOPSIGNAL SIGTREM\n\
        WORKDIR ${x\nHEALTHCHECK --retries=many CMD x\nENV a\nEXPOSE 99999\n";
    let folder = context(&dhow, "wrong", &[("Dockerfile", dockerfile), ("a", "")]);
    for arguments in [["build", "--check"], ["build", "--quiet"]] {
        let error = dhow.run(arguments.into_iter().chain([text(&folder)]));
        let told = error.stdout + &error.stderr;
        assert_eq!(error.code, Some(3), "{told}");
        for words in [
            "did you mean `RUN`",
            "did you mean `--chown`",
            "did you mean `target`",
            "`9z` is no mode",
            "invalid-reference",
            "did you mean `SIGTERM`",
            "invalid-expansion",
            "`ENV`",
            "99999",
            "many",
        ] {
            assert!(told.contains(words), "{words} is not in:\n{told}");
        }
    }
    let finished = dhow.run(["build", "--format", "json", text(&folder)]);
    assert_eq!((finished.code, finished.stderr.as_str()), (Some(3), ""));
    let document = json(&finished.stdout);
    for code in ["unknown-instruction", "unknown-flag", "unknown-mount-key", "invalid-mode", "invalid-port"] {
        assert!(codes(&document).contains(&code), "{code}: {document:#}");
    }
    let sarif = json(&dhow.run(["parse", "--format", "sarif", text(&folder.join("Dockerfile"))]).stdout);
    assert_eq!(sarif["runs"][0]["results"][0]["ruleId"], "unknown-instruction");
}

#[test]
fn a_build_tells_what_the_rules_find() {
    let dhow = Dhow::new();
    need!(import_busybox(&dhow));
    let dockerfile =
        format!("FROM {BUSYBOX} AS Base\nENV a b\nFROM base AS last\nCMD echo $c\nFROM scratch AS Unneeded\n");
    let folder = context(&dhow, "rules", &[("Dockerfile", &dockerfile)]);
    let finished = dhow.run(["build", "--target", "last", text(&folder)]);
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    for words in
        ["StageNameCasing", "LegacyKeyValueFormat", "JSONArgsRecommended", "Dockerfile:2:5", "4 warnings found"]
    {
        assert!(finished.stderr.contains(words), "{words} is not in:\n{}", finished.stderr);
    }
    let quiet = dhow.run(["build", "-q", "--target", "last", text(&folder)]);
    assert!(!quiet.stderr.contains("warning"), "{}", quiet.stderr);
    let finished = dhow.run(["build", "--format=json", "--target", "last", text(&folder)]);
    let document = json(&finished.stdout);
    let expected = ["StageNameCasing", "LegacyKeyValueFormat", "JSONArgsRecommended", "StageNameCasing"];
    assert_eq!(codes(&document), expected, "{document:#}");
    assert_eq!(document["diagnostics"][1]["line"], 2);
}

#[test]
fn findings_fail_the_build_where_the_file_says_so() {
    let dhow = Dhow::new();
    let wrong = "# check=error=true;skip=Nope\nFROM scratch AS Base\nCOPY a /\n";
    let folder = context(&dhow, "strict", &[("Dockerfile", wrong), ("a", "")]);
    let error = dhow.fails(["build", "-t", "strict", text(&folder)]);
    for words in ["lint-violation", "StageNameCasing", "there is no rule `Nope`", "Dockerfile:1"] {
        assert!(error.contains(words), "{words} is not in:\n{error}");
    }
    assert_eq!(dhow.ok(["images", "-q", "strict"]), "", "no image was made");
    dhow.ok(["build", "--build-arg", "BUILDKIT_DOCKERFILE_CHECK=skip=all;error=true", text(&folder)]);
}

#[test]
fn docker_and_editors_get_their_own_json() {
    let dhow = Dhow::new();
    let folder = context(&dhow, "call", &[("Dockerfile", "FROM scratch AS A\nCOPY a \\\n  /b\n")]);
    let finished = dhow.run(["build", "--call=check,format=json", text(&folder)]);
    let document = json(&finished.stdout);
    assert_eq!((finished.code, &document["warnings"][0]["ruleName"]), (Some(1), &Value::from("StageNameCasing")));
    assert_eq!(document["sources"][0]["language"], "Dockerfile");
    let file = folder.join("Dockerfile");
    std::fs::write(&file, "FROM scratch\ncopy a /b\n").expect("written");
    let finished = dhow.run(["fmt", "--check", "--format=json", text(&file)]);
    let document = json(&finished.stdout);
    assert_eq!((finished.code, codes(&document)), (Some(1), vec!["not-formatted"]));
    assert_eq!(document["diagnostics"][0]["start"]["line"], 2);
}
