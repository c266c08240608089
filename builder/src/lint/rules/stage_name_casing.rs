//! `StageNameCasing`: names of stages are in lower case.

use crate::lint::rule::{Finding, Rule, Standing, Subject};

/// The rule.
pub(crate) const RULE: Rule =
    Rule { name: "StageNameCasing", summary: "names of stages are in lower case", standing: Standing::On, check };

fn check(subject: &Subject<'_>) -> Vec<Finding> {
    let aliases = subject.stages().iter().filter_map(|stage| Some((stage, stage.from.alias.as_ref()?)));
    aliases
        .filter(|(_, alias)| alias.written.value != alias.name)
        .map(|(stage, alias)| {
            let message = format!("the stage's name `{}` is not in lower case", alias.written.value);
            Finding::new(alias.written.span, stage.span, message).hint(format!("write `{}`", alias.name))
        })
        .collect()
}
