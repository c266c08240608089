//! `ReservedStageName`: no stage is called `scratch` or `context`.

use crate::lint::rule::{Finding, Rule, Standing, Subject};

/// The rule.
pub(crate) const RULE: Rule = Rule {
    name: "ReservedStageName",
    summary: "no stage is called `scratch` or `context`",
    standing: Standing::On,
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Finding> {
    let aliases = subject.stages().iter().filter_map(|stage| Some((stage, stage.from.alias.as_ref()?)));
    aliases
        .filter(|(_, alias)| matches!(alias.name.as_str(), "scratch" | "context"))
        .map(|(stage, alias)| {
            let message = format!("`{}` is a reserved name", alias.name);
            Finding::new(alias.written.span, stage.span, message).hint("give the stage another name")
        })
        .collect()
}
