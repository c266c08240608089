//! `InvalidBaseImagePlatform`: the base image is for the platform that is built for.

use crate::lint::rule::{Finding, Rule, Standing, Subject};
use crate::plan::observation::Fact;

/// The rule.
pub(crate) const RULE: Rule = Rule {
    name: "InvalidBaseImagePlatform",
    summary: "the base image is for the platform that is built for",
    standing: Standing::On,
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Finding> {
    subject.facts(|fact| match fact {
        Fact::OtherBasePlatform { image, wanted, found } => {
            Some(format!("the base image `{image}` is for `{found}`, and the stage for `{wanted}`"))
        }
        _ => None,
    })
}
