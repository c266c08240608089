//! `ExposeInvalidFormat`: `EXPOSE` names ports of the container only.

use crate::lint::rule::{Finding, Rule, Standing, Subject};
use crate::plan::observation::Fact;

/// The rule.
pub(crate) const RULE: Rule = Rule {
    name: "ExposeInvalidFormat",
    summary: "`EXPOSE` names ports of the container only",
    standing: Standing::On,
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Finding> {
    subject.facts(|fact| match fact {
        Fact::PublishedPort { port } => {
            Some(format!("`EXPOSE` takes no notice of the address or the host's port in `{port}`"))
        }
        _ => None,
    })
}
