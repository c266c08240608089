//! `ExposeProtoCasing`: protocols in `EXPOSE` are in lower case.

use crate::lint::rule::{Finding, Rule, Standing, Subject};
use crate::plan::observation::Fact;

/// The rule.
pub(crate) const RULE: Rule = Rule {
    name: "ExposeProtoCasing",
    summary: "protocols in `EXPOSE` are in lower case",
    standing: Standing::On,
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Finding> {
    subject.facts(|fact| match fact {
        Fact::ProtocolCase { port } => Some(format!("the protocol of `{port}` is not in lower case")),
        _ => None,
    })
}
