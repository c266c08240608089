//! `JSONArgsRecommended`: `CMD` and `ENTRYPOINT` are in exec form, so that signals reach the program.

use crate::lint::rule::{Finding, Rule, Standing, Subject};
use crate::plan::observation::Fact;

/// The rule.
pub(crate) const RULE: Rule = Rule {
    name: "JSONArgsRecommended",
    summary: "`CMD` and `ENTRYPOINT` are in exec form, so that signals reach the program",
    standing: Standing::On,
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Finding> {
    let findings = subject.facts(|fact| match fact {
        Fact::ShellForm { keyword } => {
            Some(format!("a shell stands between `{keyword}` and signals such as that of `stop`"))
        }
        _ => None,
    });
    let hint = "write the arguments as a JSON array, or choose a shell with `SHELL`";
    findings.into_iter().map(|finding| finding.hint(hint)).collect()
}
