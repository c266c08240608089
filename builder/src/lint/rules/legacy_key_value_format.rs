//! `LegacyKeyValueFormat`: `ENV` and `LABEL` have a `=` between name and value.

use crate::lint::rule::{Finding, Rule, Standing, Subject};
use crate::plan::observation::Fact;

/// The rule.
pub(crate) const RULE: Rule = Rule {
    name: "LegacyKeyValueFormat",
    summary: "`ENV` and `LABEL` have a `=` between name and value",
    standing: Standing::On,
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Finding> {
    subject.facts(|fact| match fact {
        Fact::LegacyPair { name } => Some(format!("there is no `=` after `{name}`")),
        _ => None,
    })
}
