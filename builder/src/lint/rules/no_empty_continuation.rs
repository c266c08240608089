//! `NoEmptyContinuation`: no line that continues another is empty.

use crate::lint::rule::{Finding, Rule, Standing, Subject};

/// The rule.
pub(crate) const RULE: Rule = Rule {
    name: "NoEmptyContinuation",
    summary: "no line that continues another is empty",
    standing: Standing::On,
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Finding> {
    let statements = subject.all_statements();
    statements
        .filter_map(|statement| {
            let line = statement.empty_continuation?;
            let finding = Finding::new(line, statement.span, "this empty line is inside an instruction");
            Some(finding.hint("take it out, or make it a comment"))
        })
        .collect()
}
