//! `LegacyKeyValueFormat`: `ENV` and `LABEL` have a `=` between name and value.

use crate::dockerfile::ast::Instruction;
use crate::lint::rule::{Finding, Rule, Standing, Subject};

/// The rule.
pub(crate) const RULE: Rule = Rule {
    name: "LegacyKeyValueFormat",
    summary: "`ENV` and `LABEL` have a `=` between name and value",
    standing: Standing::On,
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Finding> {
    subject.each(|instruction| match instruction {
        Instruction::Env(pairs) | Instruction::Label(pairs) => {
            let pair = pairs.iter().find(|pair| pair.legacy)?;
            let span = pair.key.span.to(pair.value.span);
            Some((span, format!("there is no `=` after `{}`", pair.key.text)))
        }
        _ => None,
    })
}
