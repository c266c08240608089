//! The shell texts of all `RUN`s, for rules that look at commands.

use super::rule::Subject;
use crate::dockerfile::ast::{Instruction, Statement};
use crate::dockerfile::instruction::{CommandForm, Run};
use crate::dockerfile::mount::MountKey;
use crate::source::Span;

/// One `RUN` in shell form.
pub(super) struct RunText<'a> {
    /// The place of its stage.
    pub(super) stage: usize,
    pub(super) keyword: Span,
    pub(super) statement: Span,
    /// What the shell reads, heredocs included.
    pub(super) text: String,
    run: &'a Run,
}

impl RunText<'_> {
    /// Whether something is mounted on or below `directory`.
    pub(super) fn mounts_below(&self, directory: &str) -> bool {
        let targets = self.run.mounts.iter().filter_map(|mount| mount.get(MountKey::Target));
        targets.into_iter().any(|target| target.text.starts_with(directory))
    }
}

/// The texts, in order.
pub(super) fn run_texts<'a>(subject: &Subject<'a>) -> impl Iterator<Item = RunText<'a>> + use<'a> {
    let stages = subject.stages().iter().enumerate();
    stages.flat_map(|(stage, node)| node.statements.iter().filter_map(move |statement| run_text(stage, statement)))
}

fn run_text(stage: usize, statement: &Statement) -> Option<RunText<'_>> {
    let Instruction::Run(run) = &statement.instruction else { return None };
    let CommandForm::Shell(text) = &run.form else { return None };
    let bodies = run.heredocs.iter().map(|heredoc| heredoc.body.as_str());
    let text = std::iter::once(text.value.as_str()).chain(bodies).collect::<Vec<_>>().join("\n");
    Some(RunText { stage, keyword: statement.keyword.span, statement: statement.span, text, run })
}
