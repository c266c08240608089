//! `FromPlatformFlagConstDisallowed`: `--platform` is not a constant.

use crate::lint::rule::{Finding, Rule, Standing, Subject};
use crate::plan::observation::Fact;

/// The rule.
pub(crate) const RULE: Rule = Rule {
    name: "FromPlatformFlagConstDisallowed",
    summary: "`--platform` is not a constant",
    standing: Standing::On,
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Finding> {
    let findings = subject.facts(|fact| match fact {
        Fact::ConstantPlatform { platform } => {
            Some(format!("the stage can be built for `{platform}` and nothing else"))
        }
        _ => None,
    });
    let hint = "use `$BUILDPLATFORM`, or name the platform in the stage's name";
    findings.into_iter().map(|finding| finding.hint(hint)).collect()
}
