//! `InvalidDefinitionDescription`: a comment right above an `ARG` or a named stage is `# NAME description`.

use crate::dockerfile::ast::Instruction;
use crate::lint::rule::{Finding, Rule, Standing, Subject};
use crate::source::{Span, Spanned};

/// The rule.
pub(crate) const RULE: Rule = Rule {
    name: "InvalidDefinitionDescription",
    summary: "a comment right above an `ARG` or a named stage is `# NAME description`",
    standing: Standing::Experimental,
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for stage in subject.stages() {
        let names: Vec<&str> = stage.name().into_iter().collect();
        findings.extend(finding(&stage.comments, &names, stage.span));
    }
    for statement in subject.all_statements() {
        if let Instruction::Arg(args) = &statement.instruction {
            let names: Vec<&str> = args.iter().map(|arg| arg.name.value.as_str()).collect();
            findings.extend(finding(&statement.comments, &names, statement.span));
        }
    }
    findings
}

fn finding(comments: &[Spanned<String>], names: &[&str], statement: Span) -> Option<Finding> {
    let (comment, name) = (comments.last()?, names.first()?);
    if names.contains(&comment.value.split(' ').next()?) {
        return None;
    }
    let finding = Finding::new(
        comment.span,
        statement,
        "this comment is taken for a description, and does not name what it describes",
    );
    Some(finding.hint(format!("write `# {name} DESCRIPTION`, or an empty comment line below it")))
}
