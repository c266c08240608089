//! `UndefinedArgInFrom`: variables in `FROM` are declared above the first of them.

use crate::lint::rule::{Finding, Rule, Standing, Subject};
use crate::plan::observation::Fact;

/// The rule.
pub(crate) const RULE: Rule = Rule {
    name: "UndefinedArgInFrom",
    summary: "variables in `FROM` are declared above the first of them",
    standing: Standing::On,
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Finding> {
    subject.facts(|fact| match fact {
        Fact::UndefinedFromArg { name, nearest } => {
            let hint = nearest.as_ref().map(|nearest| format!("; did you mean `{nearest}`?")).unwrap_or_default();
            Some(format!("no `ARG` above the first `FROM` declares `{name}`{hint}"))
        }
        _ => None,
    })
}
