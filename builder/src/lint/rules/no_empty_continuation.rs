//! `NoEmptyContinuation`: no line that continues another is empty.

use crate::dockerfile::ast::Statement;
use crate::lint::rule::{Finding, Rule, Standing, Subject};
use crate::source::Span;

/// The rule.
pub(crate) const RULE: Rule = Rule {
    name: "NoEmptyContinuation",
    summary: "no line that continues another is empty",
    standing: Standing::On,
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Finding> {
    let stages = subject.stages().iter().filter_map(|stage| {
        let end = Span::new(stage.span.end, stage.span.end);
        Some(finding(stage.empty_continuation?, stage.span, end))
    });
    let statements = subject.all_statements();
    let statements = statements.filter_map(|s| Some(finding(s.empty_continuation?, s.span, last_line(s))));
    stages.chain(statements).collect()
}

/// The reference tells the line that the instruction ends in.
fn finding(empty: Span, instruction: Span, end: Span) -> Finding {
    let finding = Finding::new(empty, instruction, "this empty line is inside an instruction");
    finding.told_at(end).hint("take it out, or make it a comment")
}

/// The end of the statement's own lines, without heredocs.
fn last_line(statement: &Statement) -> Span {
    let heredocs = statement.instruction.heredocs();
    let end = heredocs.first().map_or(statement.span.end, |heredoc| heredoc.span.start.saturating_sub(1));
    Span::new(end, end)
}
