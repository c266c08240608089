//! `ContextBeforeDependencies`: dependencies are installed before the whole context is copied.

use crate::dockerfile::ast::{Instruction, Source};
use crate::lint::rule::{Finding, Rule, Standing, Subject};
use crate::lint::run_text::run_texts;
use crate::lint::shell_text::{commands, runs};

/// The rule.
pub(crate) const RULE: Rule = Rule {
    name: "ContextBeforeDependencies",
    summary: "dependencies are installed before the whole context is copied",
    standing: Standing::On,
    check,
};

/// Programs that install dependencies, and the words that make them do it.
const INSTALLERS: [(&str, &[&str]); 13] = [
    ("npm", &["ci", "install", "i"]),
    ("yarn", &["install"]),
    ("pnpm", &["install", "i"]),
    ("pip", &["install"]),
    ("pip3", &["install"]),
    ("poetry", &["install"]),
    ("uv", &["sync"]),
    ("bundle", &["install"]),
    ("composer", &["install"]),
    ("go", &["mod"]),
    ("cargo", &["fetch"]),
    ("apt-get", &["install"]),
    ("apk", &["add"]),
];

fn check(subject: &Subject<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let installs: Vec<_> = run_texts(subject).filter(|run| is_install(&run.text)).collect();
    for (index, stage) in subject.stages().iter().enumerate() {
        let Some(copy) = stage.statements.iter().find(|statement| copies_all(&statement.instruction)) else { continue };
        let later = installs.iter().filter(|run| run.stage == index && run.statement.start > copy.span.start);
        // Only the first: what is installed below it is installed anew in any case.
        findings.extend(later.take(1).map(|run| {
            let message = "the dependencies are installed anew after any change in the context";
            let hint = "copy the files that name them first, install, and copy the rest after that";
            Finding::new(run.keyword, run.statement, message).hint(hint)
        }));
    }
    findings
}

fn copies_all(instruction: &Instruction) -> bool {
    let transfer = match instruction {
        Instruction::Copy(copy) if copy.from.is_none() => &copy.transfer,
        Instruction::Add(add) => &add.transfer,
        _ => return false,
    };
    transfer.sources.iter().any(|source| match source {
        Source::Path(path) => matches!(path.text.as_str(), "." | "./" | "/"),
        Source::Heredoc(_) => false,
    })
}

fn is_install(text: &str) -> bool {
    let commands = commands(text);
    // What installs the context itself has to come after it.
    let own = commands.iter().any(|words| words.iter().any(|word| matches!(*word, "." | "-e" | "--editable")));
    !own && INSTALLERS.iter().any(|(program, words)| words.iter().any(|word| runs(&commands, program, word)))
}
