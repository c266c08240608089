//! `MultipleInstructionsDisallowed`: a stage has one `CMD`, one `ENTRYPOINT` and one `HEALTHCHECK`.

use crate::lint::rule::{Finding, Rule, Standing, Subject};
use crate::plan::observation::Fact;

/// The rule.
pub(crate) const RULE: Rule = Rule {
    name: "MultipleInstructionsDisallowed",
    summary: "a stage has one `CMD`, one `ENTRYPOINT` and one `HEALTHCHECK`",
    standing: Standing::On,
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Finding> {
    let findings = subject.facts(|fact| match fact {
        Fact::Replaced { keyword } => Some(format!("another `{keyword}` below takes the place of this one")),
        _ => None,
    });
    findings.into_iter().map(|finding| finding.hint("keep the last one only")).collect()
}
