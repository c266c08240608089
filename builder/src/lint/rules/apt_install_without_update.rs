//! `AptInstallWithoutUpdate`: `apt-get install` stands in one `RUN` with `apt-get update`.

use crate::lint::rule::{Finding, Rule, Standing, Subject};
use crate::lint::run_text::run_texts;
use crate::lint::shell_text::{commands, runs_apt};

/// The rule.
pub(crate) const RULE: Rule = Rule {
    name: "AptInstallWithoutUpdate",
    summary: "`apt-get install` stands in one `RUN` with `apt-get update`",
    standing: Standing::On,
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Finding> {
    run_texts(subject)
        .filter(|run| {
            let commands = commands(&run.text);
            runs_apt(&commands, "install") && !runs_apt(&commands, "update") && !run.mounts_below("/var/lib/apt")
        })
        .map(|run| {
            let message = "the package lists come from a layer that may be old, and name packages that are gone";
            Finding::new(run.keyword, run.statement, message).hint("write `apt-get update && apt-get install …`")
        })
        .collect()
}
