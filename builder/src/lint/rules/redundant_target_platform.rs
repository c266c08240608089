//! `RedundantTargetPlatform`: `--platform` does not repeat the default.

use crate::lint::rule::{Finding, Rule, Standing, Subject};
use crate::plan::observation::Fact;

/// The rule.
pub(crate) const RULE: Rule = Rule {
    name: "RedundantTargetPlatform",
    summary: "`--platform` does not repeat the default",
    standing: Standing::On,
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Finding> {
    subject.facts(|fact| match fact {
        Fact::RedundantPlatform { written } => Some(format!("`{written}` is what a stage is built for anyway")),
        _ => None,
    })
}
