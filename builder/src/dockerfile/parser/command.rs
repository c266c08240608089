//! `CMD`, `ENTRYPOINT`, `SHELL`, and the two forms of a command.

use super::context::Context;
use crate::diagnostic::Diagnostic;
use crate::dockerfile::ast::Instruction;
use crate::dockerfile::instruction::CommandForm;
use crate::dockerfile::json_form::JsonForm;
use crate::dockerfile::line::Slice;
use crate::source::Spanned;

/// Reads `text` in whichever form it is.
pub(super) fn form(cx: &mut Context<'_, '_>, text: Slice<'_>) -> Option<CommandForm> {
    Some(match cx.json(text)? {
        JsonForm::Strings(strings) => CommandForm::Exec(strings),
        _ => CommandForm::Shell(Spanned::new(text.text().to_owned(), text.span())),
    })
}

pub(super) fn cmd(cx: &mut Context<'_, '_>) -> Option<Instruction> {
    cx.no_flags("CMD");
    form(cx, cx.rest()).map(Instruction::Cmd)
}

pub(super) fn entrypoint(cx: &mut Context<'_, '_>) -> Option<Instruction> {
    cx.no_flags("ENTRYPOINT");
    form(cx, cx.rest()).map(Instruction::Entrypoint)
}

pub(super) fn shell(cx: &mut Context<'_, '_>) -> Option<Instruction> {
    cx.no_flags("SHELL");
    let rest = cx.rest();
    match cx.json(rest)? {
        JsonForm::Strings(strings) if !strings.is_empty() => Some(Instruction::Shell(strings)),
        JsonForm::Strings(_) => cx.fail_missing("at least one argument"),
        _ if rest.is_empty() => cx.fail_missing("at least one argument"),
        _ => cx.fail(
            Diagnostic::error("json-required", rest.span(), "`SHELL` needs a JSON array of strings")
                .hint("such as `SHELL [\"/bin/bash\", \"-c\"]`"),
        ),
    }
}
