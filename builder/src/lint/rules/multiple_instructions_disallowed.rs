//! `MultipleInstructionsDisallowed`: a stage has one `CMD`, one `ENTRYPOINT` and one `HEALTHCHECK`.

use crate::lint::rule::{Finding, Rule, Standing, Subject};

/// The rule.
pub(crate) const RULE: Rule = Rule {
    name: "MultipleInstructionsDisallowed",
    summary: "a stage has one `CMD`, one `ENTRYPOINT` and one `HEALTHCHECK`",
    standing: Standing::On,
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for stage in subject.stages() {
        for keyword in ["CMD", "ENTRYPOINT", "HEALTHCHECK"] {
            let all: Vec<_> = stage.statements.iter().filter(|s| s.instruction.keyword() == keyword).collect();
            // The last one counts; those above it are in vain.
            findings.extend(all.iter().rev().skip(1).map(|statement| {
                let message = format!("another `{keyword}` below takes the place of this one");
                Finding::new(statement.keyword.span, statement.span, message).hint("keep the last one only")
            }));
        }
    }
    findings
}
