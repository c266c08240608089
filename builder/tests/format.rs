//! The formatter: a table of texts and what becomes of them, and what holds for any text.

use dhow_builder::dockerfile::{format, meaning, parse};
use dhow_builder::source::SourceFile;

fn formatted(text: &str) -> String {
    format(&SourceFile::new("Dockerfile", text)).unwrap_or_else(|errors| panic!("{text}: {errors:?}"))
}

fn meaning_of(text: &str) -> serde_json::Value {
    let (dockerfile, _) = parse(&SourceFile::new("Dockerfile", text)).into_result().expect("it parses");
    meaning::of(&dockerfile)
}

const CASES: &[(&str, &str)] = &[
    ("from   a   as  B\n", "FROM a AS B\n"),
    ("FROM a\n\n\n\nRUN  x   y  \n\n", "FROM a\n\nRUN x   y\n"),
    ("\n\nFROM a", "FROM a\n"),
    ("#syntax = x \n#  escape=`\nFROM a\n", "# syntax=x\n# escape=`\nFROM a\n"),
    ("\n# escape=`\nFROM a\n", "\n# escape=`\nFROM a\n"),
    ("  # note\nFROM a\n  # other  \n\n\n  RUN x\n", "# note\nFROM a\n# other\n\nRUN x\n"),
    (
        "FROM a\nCOPY   --link    a\\\n b   \\\n# why\n\n   /c/\n",
        "FROM a\nCOPY --link a \\\n    b \\\n    # why\n    /c/\n",
    ),
    ("FROM a\nENV  A=1   B=\"x  y\"\n", "FROM a\nENV A=1 B=\"x  y\"\n"),
    ("FROM a\nENV A=\"x \\\n  y\" B=2\n", "FROM a\nENV A=\"x \\\n  y\" B=2\n"),
    ("FROM a\nenv A=\"x \\\n  y\" B=2\n", "FROM a\nENV A=\"x \\\n  y\" B=2\n"),
    ("FROM a\nENV A  some   text\n", "FROM a\nENV A  some   text\n"),
    ("FROM a\nCMD   [\"a\",\"b\"  ,  \"c\\u0041\"]\n", "FROM a\nCMD [\"a\", \"b\", \"c\\u0041\"]\n"),
    (
        "FROM a\nRUN --mount=type=cache,target=/x   \\\n--network=none \\\n  a &&  \\\n\n   # c \n  b\n",
        "FROM a\nRUN --mount=type=cache,target=/x \\\n    --network=none \\\n    a &&  \\\n   # c\n  b\n",
    ),
    ("FROM a\nrun a\\\n b \\\n", "FROM a\nRUN a\\\n b\n"),
    ("FROM a\nrun <<E   cat\n  body \\\n\nE\nRUN b\n", "FROM a\nRUN <<E   cat\n  body \\\n\nE\nRUN b\n"),
    (
        "FROM a\r\nrun x \\\r\n  y\r\nCOPY <<E  /f\r\n1\r\nE\r\n",
        "FROM a\r\nRUN x \\\r\n  y\r\nCOPY <<E /f\r\n1\r\nE\r\n",
    ),
    ("\u{feff}FROM a\n", "FROM a\n"),
    ("FROM a\nonbuild   copy  a  b\n", "FROM a\nONBUILD copy  a  b\n"),
    ("FROM a\nHEALTHCHECK   --retries=2   cmd  x  y\n", "FROM a\nHEALTHCHECK --retries=2 cmd  x  y\n"),
    ("FROM a\nEXPOSE 1    2\\\n 3\n", "FROM a\nEXPOSE 1 2 \\\n    3\n"),
    ("FROM a\n# end\n\n\n", "FROM a\n# end\n"),
    ("FROM a\nENV A b\\\n\\", "FROM a\nENV A b\n"),
    ("FROM \\\n  a \\\n  as b\n", "FROM \\\n    a \\\n    as b\n"),
];

#[test]
fn texts_and_what_becomes_of_them() {
    for (text, expected) in CASES {
        let once = formatted(text);
        assert_eq!(once, *expected, "{text:?}");
        assert_eq!(formatted(&once), once, "formatting {text:?} twice changes it again");
        assert_eq!(meaning_of(&once), meaning_of(text), "{text:?} means something else");
    }
}

#[test]
fn mistakes_are_not_formatted() {
    assert!(format(&SourceFile::new("Dockerfile", "FROM a\nNOPE\n")).is_err());
}
