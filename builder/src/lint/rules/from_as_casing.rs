//! `FromAsCasing`: `AS` is written in the case of its `FROM`.

use crate::lint::rule::{Finding, Rule, Standing, Subject};

/// The rule.
pub(crate) const RULE: Rule =
    Rule { name: "FromAsCasing", summary: "`AS` is written in the case of its `FROM`", standing: Standing::On, check };

fn check(subject: &Subject<'_>) -> Vec<Finding> {
    let aliases = subject.stages().iter().filter_map(|stage| Some((stage, stage.from.alias.as_ref()?)));
    aliases
        .filter_map(|(stage, alias)| {
            let (from, keyword) = (&stage.keyword.value, &alias.keyword.value);
            let wanted = match (*from == from.to_lowercase(), *from == from.to_uppercase()) {
                (true, _) => "as",
                (_, true) => "AS",
                // A keyword of mixed case is another rule's matter.
                _ => return None,
            };
            let message = format!("`{keyword}` is not in the case of its `{from}`");
            (keyword != wanted)
                .then(|| Finding::new(alias.keyword.span, stage.span, message).hint(format!("write `{wanted}`")))
        })
        .collect()
}
