//! The instructions that take a word or a list of words.

use super::context::{Context, word};
use crate::diagnostic::Diagnostic;
use crate::dockerfile::ast::Instruction;
use crate::dockerfile::json_form::JsonForm;
use crate::dockerfile::line::is_blank;
use crate::dockerfile::word::Word;
use crate::source::Spanned;

/// The whole rest as one word.
fn one(cx: &mut Context<'_, '_>, what: &str) -> Option<Word> {
    match cx.rest() {
        rest if rest.is_empty() => cx.fail_missing(what),
        rest => Some(word(rest)),
    }
}

pub(super) fn user(cx: &mut Context<'_, '_>) -> Option<Instruction> {
    cx.no_flags("USER");
    one(cx, "a user").map(Instruction::User)
}

pub(super) fn workdir(cx: &mut Context<'_, '_>) -> Option<Instruction> {
    cx.no_flags("WORKDIR");
    one(cx, "a directory").map(Instruction::Workdir)
}

pub(super) fn stopsignal(cx: &mut Context<'_, '_>) -> Option<Instruction> {
    cx.ignore_flags("STOPSIGNAL");
    one(cx, "a signal").map(Instruction::Stopsignal)
}

pub(super) fn maintainer(cx: &mut Context<'_, '_>) -> Option<Instruction> {
    cx.no_flags("MAINTAINER");
    let name = one(cx, "a name")?;
    Some(Instruction::Maintainer(Spanned::new(name.text, name.span)))
}

pub(super) fn expose(cx: &mut Context<'_, '_>) -> Option<Instruction> {
    cx.no_flags("EXPOSE");
    if cx.rest().is_empty() {
        return cx.fail_missing("at least one port");
    }
    Some(Instruction::Expose(cx.rest().split_at_runs(is_blank).into_iter().map(word).collect()))
}

pub(super) fn volume(cx: &mut Context<'_, '_>) -> Option<Instruction> {
    cx.no_flags("VOLUME");
    let rest = cx.rest();
    let words: Vec<Word> = match cx.json(rest)? {
        JsonForm::Strings(strings) => strings.into_iter().map(|path| Word::new(path.value.trim(), path.span)).collect(),
        _ if rest.is_empty() => Vec::new(),
        _ => rest.split_at_runs(is_blank).into_iter().map(|part| word(part.trim())).collect(),
    };
    if words.is_empty() {
        return cx.fail_missing("at least one path");
    }
    match words.iter().find(|word| word.text.is_empty()) {
        Some(empty) => cx.fail(Diagnostic::error("empty-volume", empty.span, "the path of a volume cannot be empty")),
        None => Some(Instruction::Volume(words)),
    }
}
