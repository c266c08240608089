//! `UndefinedVar`: variables are set before they are used.

use crate::lint::rule::{Finding, Rule, Standing, Subject};
use crate::plan::observation::Fact;

/// The rule.
pub(crate) const RULE: Rule =
    Rule { name: "UndefinedVar", summary: "variables are set before they are used", standing: Standing::On, check };

fn check(subject: &Subject<'_>) -> Vec<Finding> {
    subject.facts(|fact| match fact {
        Fact::UndefinedVariable { name, nearest } => {
            let hint = nearest.as_ref().map(|nearest| format!("; did you mean `${nearest}`?")).unwrap_or_default();
            Some(format!("`${name}` is not set{hint}"))
        }
        _ => None,
    })
}
