//! Files that are not UTF-8. Commands have to be, as for the reference; elsewhere the bytes are replaced.

use crate::diagnostic::Diagnostic;
use crate::dockerfile::ast::{Dockerfile, Instruction, Statement};
use crate::source::{SourceFile, Span};

const REPLACEMENT: char = char::REPLACEMENT_CHARACTER;

/// An error for each command that the bytes spoil; a warning if they spoil none.
pub(super) fn check(source: &SourceFile, dockerfile: &Dockerfile) -> Vec<Diagnostic> {
    let Some(first) = source.first_invalid_byte() else { return Vec::new() };
    let statements = dockerfile.stages.iter().flat_map(|stage| &stage.statements);
    let errors: Vec<_> = statements.filter(|statement| is_spoiled(statement)).map(|s| error(source, s.span)).collect();
    if errors.is_empty() {
        let message = "the file is not UTF-8 here: the bytes are replaced";
        return vec![Diagnostic::warning("invalid-utf-8", Span::new(first, first), message)];
    }
    errors
}

fn is_spoiled(statement: &Statement) -> bool {
    let heredocs = statement.instruction.heredocs();
    matches!(statement.instruction, Instruction::Run(_))
        && (statement.line.contains(REPLACEMENT) || heredocs.iter().any(|h| h.body.contains(REPLACEMENT)))
}

fn error(source: &SourceFile, statement: Span) -> Diagnostic {
    let at = source.slice(statement).find(REPLACEMENT).map_or(statement.start, |at| statement.start + at);
    let span = Span::new(at, at + REPLACEMENT.len_utf8());
    Diagnostic::error("invalid-utf-8", span, "a command cannot have bytes that are not UTF-8")
        .hint("save the file as UTF-8")
}
