//! What the reference checks in stages that the target does not need, too: what their `--from`s name, and that no
//! stage takes files from itself on some way.

use super::stages::{FromKind, FromPlace, Stages};
use crate::diagnostic::Diagnostic;
use crate::dockerfile::ast::{Instruction, Statement};
use crate::dockerfile::mount::MountKey;
use crate::source::Span;

/// For each stage, those that it takes files from, and where.
type Edges = Vec<Vec<(usize, Span)>>;

/// Reports what is wrong with them. The needed ones are checked when they are lowered.
pub(super) fn check(stages: &Stages<'_>, diagnostics: &mut Vec<Diagnostic>) {
    if stages.nodes.iter().all(|node| node.needed) {
        return;
    }
    let edges: Edges = stages.nodes.iter().map(|node| edges(stages, &node.stage.statements)).collect();
    for (index, node) in stages.nodes.iter().enumerate().filter(|(_, node)| !node.needed) {
        for (name, place) in node.stage.statements.iter().flat_map(froms) {
            stages.from(name, place, diagnostics);
        }
        for (to, span) in edges[index].iter().filter(|(to, _)| *to >= index && reaches(&edges, *to, index)) {
            let message = match *to == index {
                true => "a stage cannot take files from itself",
                false => "two stages cannot take files from each other",
            };
            let other = stages.nodes[*to].stage.span;
            diagnostics.push(Diagnostic::error("stage-order", *span, message).also(other, "this stage"));
        }
    }
}

fn edges(stages: &Stages<'_>, statements: &[Statement]) -> Vec<(usize, Span)> {
    statements.iter().flat_map(|s| stages.needs(s).into_iter().map(|to| (to, s.span))).collect()
}

/// The `--from` of a copy, and the `from`s of mounts.
fn froms(statement: &Statement) -> Vec<(&str, FromPlace)> {
    match &statement.instruction {
        Instruction::Copy(copy) => {
            let from = copy.from.iter().filter(|from| !from.value.is_empty());
            from.map(|from| (from.value.as_str(), FromPlace { kind: FromKind::Copy, span: from.span })).collect()
        }
        Instruction::Run(run) => run
            .mounts
            .iter()
            .filter_map(|mount| mount.get(MountKey::From).filter(|from| !from.text.is_empty()))
            .map(|from| (from.text.as_str(), FromPlace { kind: FromKind::Mount, span: from.span }))
            .collect(),
        _ => Vec::new(),
    }
}

fn reaches(edges: &Edges, from: usize, to: usize) -> bool {
    let mut seen = vec![false; edges.len()];
    let mut waiting = vec![from];
    while let Some(stage) = waiting.pop() {
        if stage == to {
            return true;
        }
        if !std::mem::replace(&mut seen[stage], true) {
            waiting.extend(edges[stage].iter().map(|(next, _)| *next));
        }
    }
    false
}
