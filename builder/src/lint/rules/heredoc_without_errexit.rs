//! `HeredocWithoutErrexit`: a heredoc with several commands stops at the first that fails.

use crate::dockerfile::ast::Instruction;
use crate::dockerfile::heredoc;
use crate::dockerfile::instruction::{CommandForm, Run};
use crate::lint::rule::{Finding, Rule, Standing, Subject};
use crate::source::Span;

/// The rule.
pub(crate) const RULE: Rule = Rule {
    name: "HeredocWithoutErrexit",
    summary: "a heredoc with several commands stops at the first that fails",
    standing: Standing::On,
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for stage in subject.stages() {
        let mut shell_stops = false;
        for statement in &stage.statements {
            match &statement.instruction {
                Instruction::Shell(shell) => shell_stops = shell.iter().skip(1).any(|word| is_errexit(&word.value)),
                Instruction::Run(run) if !shell_stops => findings.extend(finding(run, statement.span)),
                _ => {}
            }
        }
    }
    findings
}

fn finding(run: &Run, statement: Span) -> Option<Finding> {
    let CommandForm::Shell(text) = &run.form else { return None };
    let heredoc = run.heredocs.first().filter(|_| heredoc::opener(&text.value).is_some())?;
    let body = heredoc.content();
    if body.starts_with("#!") || commands(&body) < 2 || stops(&body) {
        return None;
    }
    let message = "a command that fails in this heredoc does not fail the build, unless it is the last one";
    Some(Finding::new(text.span, statement, message).hint("begin it with `set -e`"))
}

/// Lines that begin a command of their own.
fn commands(body: &str) -> usize {
    let mut goes_on = false;
    let mut count = 0;
    for line in body.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        count += usize::from(!goes_on);
        goes_on = ["\\", "&&", "||", "|"].iter().any(|end| line.ends_with(end));
    }
    count
}

fn stops(body: &str) -> bool {
    body.lines().any(|line| {
        let mut words = line.split_whitespace();
        words.next() == Some("set") && words.any(is_errexit)
    })
}

fn is_errexit(word: &str) -> bool {
    word == "errexit" || (word.starts_with('-') && !word.starts_with("--") && word.contains('e'))
}
