//! `ConsistentInstructionCasing`: all instructions are in the same case.

use crate::lint::rule::{Finding, Rule, Standing, Subject};

/// The rule.
pub(crate) const RULE: Rule = Rule {
    name: "ConsistentInstructionCasing",
    summary: "all instructions are in the same case",
    standing: Standing::On,
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Finding> {
    let stages = subject.stages().iter();
    let keywords: Vec<_> = stages
        .flat_map(|stage| {
            let statements = stage.statements.iter().map(|statement| (&statement.keyword, statement.span));
            std::iter::once((&stage.keyword, stage.span)).chain(statements)
        })
        .collect();
    let lower = keywords.iter().filter(|(keyword, _)| keyword.value == keyword.value.to_lowercase()).count();
    let upper = keywords.iter().filter(|(keyword, _)| keyword.value == keyword.value.to_uppercase()).count();
    let wanted = |keyword: &str| if lower > upper { keyword.to_lowercase() } else { keyword.to_uppercase() };
    keywords
        .into_iter()
        .filter(|(keyword, _)| keyword.value != wanted(&keyword.value))
        .map(|(keyword, statement)| {
            let message = format!("`{}` is not in the case of most instructions", keyword.value);
            Finding::new(keyword.span, statement, message).hint(format!("write `{}`", wanted(&keyword.value)))
        })
        .collect()
}
