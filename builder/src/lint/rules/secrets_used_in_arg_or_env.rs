//! `SecretsUsedInArgOrEnv`: no name of an `ARG` or `ENV` tells of a secret.

use crate::lint::rule::{Finding, Rule, Standing, Subject};
use crate::plan::observation::Fact;

/// The rule.
pub(crate) const RULE: Rule = Rule {
    name: "SecretsUsedInArgOrEnv",
    summary: "no name of an `ARG` or `ENV` tells of a secret",
    standing: Standing::On,
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Finding> {
    let findings = subject.facts(|fact| match fact {
        Fact::SecretName { name } => {
            Some(format!("`{name}` seems to be a secret, and everybody who has the image can read it"))
        }
        _ => None,
    });
    findings.into_iter().map(|finding| finding.hint("use `RUN --mount=type=secret`")).collect()
}
