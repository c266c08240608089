//! The exec form, against a JSON library.
#![no_main]

use dhow_builder::dockerfile::ast::Instruction;
use dhow_builder::dockerfile::instruction::CommandForm;
use dhow_builder::dockerfile::parse;
use dhow_builder::source::SourceFile;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    // White space at the ends, line ends and continuations are the line's matter, not the form's.
    let text = text.trim();
    if text.contains(['\n', '\r']) || text.ends_with('\\') || text.starts_with("--") || text.is_empty() {
        return;
    }
    let source = SourceFile::new("Dockerfile", format!("FROM x\nCMD {text}\n"));
    let Ok((dockerfile, _)) = parse(&source).into_result() else { return };
    let Some(Instruction::Cmd(form)) = dockerfile.stages[0].statements.first().map(|s| &s.instruction) else { return };
    let expected = serde_json::from_str::<Vec<String>>(text);
    match (form, expected) {
        (CommandForm::Exec(strings), Ok(expected)) => {
            let found: Vec<&str> = strings.iter().map(|string| string.value.as_str()).collect();
            assert_eq!(found, expected);
        }
        // Half a surrogate pair is an error to the library and a replacement character to the language.
        (CommandForm::Exec(_), Err(_)) => assert!(text.contains("\\u")),
        (CommandForm::Shell(_), Ok(_)) => panic!("an array of strings is taken for a shell form"),
        (CommandForm::Shell(_), Err(_)) => {}
    }
});
