//! `WorkdirRelativePath`: the first `WORKDIR` of a build is absolute.

use crate::lint::rule::{Finding, Rule, Standing, Subject};
use crate::plan::observation::Fact;

/// The rule.
pub(crate) const RULE: Rule = Rule {
    name: "WorkdirRelativePath",
    summary: "the first `WORKDIR` of a build is absolute",
    standing: Standing::On,
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Finding> {
    let findings = subject.facts(|fact| match fact {
        Fact::RelativeWorkdir { path } => {
            Some(format!("`{path}` is relative to whatever directory the base image sets"))
        }
        _ => None,
    });
    findings.into_iter().map(|finding| finding.hint("begin with `/`")).collect()
}
