//! `ONBUILD`: an instruction kept for later.

use super::context::Context;
use crate::diagnostic::{Diagnostic, Severity};
use crate::dockerfile::ast::{Instruction, Onbuild};
use crate::dockerfile::split::Split;

/// Mistakes in a trigger that the reference finds at once; it keeps the others in the image for whom it may concern.
const ERRORS_AT_ONCE: [&str; 3] = ["json-not-strings", "missing-equals", "missing-value"];

pub(super) fn parse(cx: &mut Context<'_, '_>) -> Option<Instruction> {
    cx.no_flags("ONBUILD");
    let rest = cx.rest();
    if rest.is_empty() {
        return cx.fail_missing("an instruction");
    }
    let keyword = Split::new(rest, cx.escape).keyword;
    let name = keyword.text().to_ascii_uppercase();
    if matches!(name.as_str(), "ONBUILD" | "MAINTAINER" | "FROM") {
        let message = format!("`{name}` cannot be an `ONBUILD` trigger");
        return cx.fail(Diagnostic::error("invalid-trigger", keyword.span(), message));
    }
    let mut found = Vec::new();
    let trigger = super::read(&mut cx.inner(rest, &mut found)).map(Box::new);
    if let Some(Instruction::Run(run)) = trigger.as_ref().map(|trigger| &trigger.instruction) {
        found.extend(run.mounts.iter().flat_map(|mount| mount.problems.iter().cloned()));
    }
    let broken = found.iter().any(Diagnostic::is_error);
    cx.diagnostics.extend(found.into_iter().map(soften));
    Some(Instruction::Onbuild(Onbuild { expression: expression(cx), trigger: trigger.filter(|_| !broken) }))
}

fn soften(diagnostic: Diagnostic) -> Diagnostic {
    if !diagnostic.is_error() || ERRORS_AT_ONCE.contains(&diagnostic.code) {
        return diagnostic;
    }
    let help = "the image can be built, but no image can be built from it";
    Diagnostic { severity: Severity::Warning, ..diagnostic }.help(help)
}

/// The statement without its keyword, each heredoc with the line that ends it.
fn expression(cx: &Context<'_, '_>) -> String {
    let line = cx.line.text();
    let start = line.len() - line.trim_start().len() + cx.split.keyword.text().len();
    let mut text = line[start..].trim_start().to_owned();
    for heredoc in &cx.raw.heredocs {
        text.push('\n');
        text.push_str(&heredoc.body);
        text.push_str(&heredoc.name);
    }
    text
}
