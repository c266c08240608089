//! `DuplicateStageName`: names of stages are unique.

use crate::lint::rule::{Finding, Rule, Standing, Subject};

/// The rule.
pub(crate) const RULE: Rule =
    Rule { name: "DuplicateStageName", summary: "names of stages are unique", standing: Standing::On, check };

fn check(subject: &Subject<'_>) -> Vec<Finding> {
    let stages = subject.stages();
    let named = |index: usize| stages[..index].iter().any(|other| other.name() == stages[index].name());
    (0..stages.len())
        .filter(|index| stages[*index].name().is_some() && named(*index))
        .filter_map(|index| {
            let alias = stages[index].from.alias.as_ref()?;
            let message = format!("there is a stage `{}` already", alias.name);
            let finding = Finding::new(alias.written.span, stages[index].span, message);
            Some(finding.hint("the name stands for the last of them"))
        })
        .collect()
}
