//! `SecretsUsedInArgOrEnv`: no name of an `ARG` or `ENV` tells of a secret.

use crate::dockerfile::ast::Instruction;
use crate::lint::rule::{Finding, Rule, Standing, Subject};
use crate::source::Span;

/// The rule.
pub(crate) const RULE: Rule = Rule {
    name: "SecretsUsedInArgOrEnv",
    summary: "no name of an `ARG` or `ENV` tells of a secret",
    standing: Standing::On,
    check,
};

const SECRET: [&str; 10] =
    ["apikey", "auth", "credential", "credentials", "key", "password", "pword", "passwd", "secret", "token"];
const HARMLESS: [&str; 3] = ["public", "file", "version"];

fn check(subject: &Subject<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for statement in subject.statements() {
        let names: Vec<(&str, Span)> = match &statement.instruction {
            Instruction::Env(pairs) => pairs.iter().map(|pair| (pair.key.text.as_str(), pair.key.span)).collect(),
            Instruction::Arg(args) => args.iter().map(|arg| (arg.name.value.as_str(), arg.name.span)).collect(),
            _ => continue,
        };
        findings.extend(names.into_iter().filter(|(name, _)| is_secret(name)).map(|(name, span)| {
            let message = format!("`{name}` seems to be a secret, and everybody who has the image can read it");
            Finding::new(span, statement.span, message).hint("use `RUN --mount=type=secret`")
        }));
    }
    findings
}

/// Whole words between underscores count.
fn is_secret(name: &str) -> bool {
    let name = name.to_lowercase();
    let has = |words: &[&str]| name.split('_').any(|word| words.contains(&word));
    has(&SECRET) && !has(&HARMLESS)
}
