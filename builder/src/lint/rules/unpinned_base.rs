//! `UnpinnedBase`: base images are named by digest, or at least by a tag other than `latest`.

use dhow_layer_store::oci::Reference;

use crate::lint::rule::{Finding, Rule, Standing, Subject};

/// The rule.
pub(crate) const RULE: Rule = Rule {
    name: "UnpinnedBase",
    summary: "base images are named by digest, or at least by a tag other than `latest`",
    standing: Standing::Experimental,
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Finding> {
    let stages = subject.stages();
    let mut findings = Vec::new();
    for (index, stage) in stages.iter().enumerate() {
        let base = &stage.from.base;
        let is_stage = stages[..index].iter().any(|other| other.name() == Some(base.text.as_str()));
        if is_stage || base.text == "scratch" || base.has_variable() {
            continue;
        }
        let Ok(reference) = base.text.parse::<Reference>() else { continue };
        let message = match (reference.digest(), reference.tag()) {
            (Some(_), _) => continue,
            (None, None | Some("latest")) => format!("`{}` is another image tomorrow", base.text),
            (None, Some(_)) => format!("the tag of `{}` can be moved to another image", base.text),
        };
        findings.push(Finding::new(base.span, stage.span, message).hint("add `@sha256:…`"));
    }
    findings
}
