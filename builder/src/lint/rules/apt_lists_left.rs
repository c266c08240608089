//! `AptListsLeft`: package lists do not stay in a layer of the image.

use crate::dockerfile::ast::Stage;
use crate::lint::rule::{Finding, Rule, Standing, Subject};
use crate::lint::run_text::run_texts;
use crate::lint::shell_text::{commands, runs_apt};

/// The rule.
pub(crate) const RULE: Rule = Rule {
    name: "AptListsLeft",
    summary: "package lists do not stay in a layer of the image",
    standing: Standing::On,
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Finding> {
    let image = image_stages(subject.stages());
    run_texts(subject)
        .filter(|run| image[run.stage])
        .filter(|run| {
            let removed = run.text.contains("/var/lib/apt/lists") && run.text.contains("rm ");
            runs_apt(&commands(&run.text), "update") && !removed && !run.mounts_below("/var/lib/apt")
        })
        .map(|run| {
            let message = "the package lists stay in this layer, and nothing removes them from it later";
            let hint = "end with `&& rm -rf /var/lib/apt/lists/*`, or mount a cache on `/var/lib/apt`";
            Finding::new(run.keyword, run.statement, message).hint(hint)
        })
        .collect()
}

/// The stages whose layers are those of the image: the last one, and what it is built from.
fn image_stages(stages: &[Stage]) -> Vec<bool> {
    let mut image = vec![false; stages.len()];
    let mut next = stages.len().checked_sub(1);
    while let Some(index) = next {
        image[index] = true;
        let base = stages[index].from.base.text.as_str();
        next = stages[..index].iter().rposition(|stage| stage.name() == Some(base));
    }
    image
}
