//! `UnreachableStage`: every stage without a name is used or the last one.

use crate::dockerfile::ast::{Instruction, Stage};
use crate::lint::rule::{Finding, Rule, Standing, Subject};

/// The rule.
pub(crate) const RULE: Rule = Rule {
    name: "UnreachableStage",
    summary: "every stage without a name is used or the last one",
    standing: Standing::On,
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Finding> {
    let stages = subject.stages();
    let Some((_, others)) = stages.split_last() else { return Vec::new() };
    others
        .iter()
        .enumerate()
        // A stage with a name can be a target of its own.
        .filter(|(index, stage)| stage.name().is_none() && !is_used(*index, &stages[index + 1..]))
        .map(|(_, stage)| {
            let message = "nothing takes files from this stage, and without a name it cannot be a target";
            Finding::new(stage.keyword.span, stage.span, message).hint("name it with `AS`, or take it out")
        })
        .collect()
}

/// Whether a later stage copies from it by its number.
fn is_used(index: usize, later: &[Stage]) -> bool {
    later.iter().flat_map(|stage| &stage.statements).any(|statement| match &statement.instruction {
        Instruction::Copy(copy) => copy.from.as_ref().is_some_and(|from| from.value.parse() == Ok(index)),
        _ => false,
    })
}
