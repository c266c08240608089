//! `NoEmptyContinuation`: no line that continues another is empty.

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
    let file_end = subject.check.source.text().len().saturating_sub(1);
    let stages = subject.stages().iter().filter_map(|stage| {
        let empty = stage.empty_continuation?;
        Some(finding(empty, stage.span, last_line(empty, stage.span.end, file_end)))
    });
    let statements = subject.all_statements().filter_map(|statement| {
        let empty = statement.empty_continuation?;
        let heredocs = statement.instruction.heredocs();
        let end = heredocs.first().map_or(statement.span.end, |heredoc| heredoc.span.start.saturating_sub(1));
        Some(finding(empty, statement.span, last_line(empty, end, file_end)))
    });
    stages.chain(statements).collect()
}

/// The reference tells the line that the instruction ends in.
fn finding(empty: Span, instruction: Span, end: Span) -> Finding {
    let finding = Finding::new(empty, instruction, "this empty line is inside an instruction");
    finding.told_at(end).hint("take it out, or make it a comment")
}

/// The last line of an instruction that ends at `end`, without its heredocs. After an empty line at the end of the file
/// nothing comes any more.
fn last_line(empty: Span, end: usize, file_end: usize) -> Span {
    let end = if empty.start >= end { file_end } else { end };
    Span::new(end, end)
}
