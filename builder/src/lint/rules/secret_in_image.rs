//! `SecretInImage`: no secret is written into the Dockerfile or copied into the image.

use crate::dockerfile::ast::{Instruction, Source};
use crate::dockerfile::word::Word;
use crate::lint::rule::{Finding, Rule, Standing, Subject};

/// The rule.
pub(crate) const RULE: Rule = Rule {
    name: "SecretInImage",
    summary: "no secret is written into the Dockerfile or copied into the image",
    standing: Standing::On,
    check,
};

/// What the tokens of well-known services begin with, and how long they are at least.
const TOKENS: [(&str, usize); 10] = [
    ("AKIA", 20),
    ("ghp_", 40),
    ("gho_", 40),
    ("github_pat_", 40),
    ("glpat-", 26),
    ("xoxb-", 20),
    ("xoxp-", 20),
    ("sk_live_", 24),
    ("npm_", 40),
    ("-----BEGIN", 20),
];
/// Files that hold secrets by custom.
const FILES: [&str; 9] =
    [".env", ".netrc", ".npmrc", ".pypirc", "id_rsa", "id_ed25519", "id_ecdsa", ".git-credentials", ".htpasswd"];

fn check(subject: &Subject<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for statement in subject.all_statements() {
        let words = words(&statement.instruction);
        findings.extend(words.into_iter().filter(|word| is_token(&word.text)).map(|word| {
            let message = "this value looks like a secret, and everybody who has the image can read it";
            Finding::new(word.span, statement.span, message).hint("use `RUN --mount=type=secret`")
        }));
        findings.extend(files(&statement.instruction).into_iter().map(|word| {
            let message =
                format!("`{}` holds secrets by custom, and stays in the layer even if it is removed later", word.text);
            Finding::new(word.span, statement.span, message).hint("use `RUN --mount=type=secret`")
        }));
    }
    findings
}

fn words(instruction: &Instruction) -> Vec<&Word> {
    match instruction {
        Instruction::Env(pairs) | Instruction::Label(pairs) => pairs.iter().map(|pair| &pair.value).collect(),
        Instruction::Arg(args) => args.iter().filter_map(|arg| arg.default.as_ref()).collect(),
        _ => Vec::new(),
    }
}

fn is_token(text: &str) -> bool {
    let text = text.trim_matches(['"', '\'']);
    TOKENS.iter().any(|(start, length)| text.starts_with(start) && text.len() >= *length)
}

fn files(instruction: &Instruction) -> Vec<&Word> {
    let sources = match instruction {
        Instruction::Copy(copy) if copy.from.is_none() => &copy.transfer.sources,
        Instruction::Add(add) => &add.transfer.sources,
        _ => return Vec::new(),
    };
    let paths = sources.iter().filter_map(|source| match source {
        Source::Path(path) => Some(path),
        Source::Heredoc(_) => None,
    });
    paths.filter(|path| path.text.rsplit('/').next().is_some_and(|name| FILES.contains(&name))).collect()
}
