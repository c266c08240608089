//! `MaintainerDeprecated`: a label names the author, and not `MAINTAINER`.

use crate::dockerfile::ast::Instruction;
use crate::lint::rule::{Finding, Rule, Standing, Subject};

/// The rule.
pub(crate) const RULE: Rule = Rule {
    name: "MaintainerDeprecated",
    summary: "a label names the author, and not `MAINTAINER`",
    standing: Standing::On,
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Finding> {
    subject
        .statements()
        .filter_map(|statement| match &statement.instruction {
            Instruction::Maintainer(name) => {
                let hint = format!("write `LABEL org.opencontainers.image.authors=\"{}\"`", name.value);
                Some(Finding::new(statement.keyword.span, statement.span, "`MAINTAINER` is deprecated").hint(hint))
            }
            _ => None,
        })
        .collect()
}
