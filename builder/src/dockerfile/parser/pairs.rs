//! `ENV`, `LABEL` and `ARG`: names and values.

use super::context::{Context, word};
use crate::diagnostic::Diagnostic;
use crate::dockerfile::ast::{Instruction, KeyValue};
use crate::dockerfile::instruction::Arg;
use crate::dockerfile::line::{Slice, is_blank};
use crate::dockerfile::split::quoted_words;
use crate::source::Spanned;

pub(super) fn env(cx: &mut Context<'_, '_>) -> Option<Instruction> {
    cx.no_flags("ENV");
    pairs(cx).map(Instruction::Env)
}

pub(super) fn label(cx: &mut Context<'_, '_>) -> Option<Instruction> {
    cx.no_flags("LABEL");
    pairs(cx).map(Instruction::Label)
}

fn pairs(cx: &mut Context<'_, '_>) -> Option<Vec<KeyValue>> {
    let words = quoted_words(cx.rest(), cx.escape);
    let Some(first) = words.first() else { return cx.fail_missing("at least one `NAME=value`") };
    if !first.text().contains('=') {
        return legacy(cx).map(|pair| vec![pair]);
    }
    let pairs: Vec<KeyValue> = words.into_iter().map(|word| pair(cx, word)).collect::<Option<_>>()?;
    Some(pairs)
}

fn pair(cx: &mut Context<'_, '_>, text: Slice<'_>) -> Option<KeyValue> {
    match text.text().find('=') {
        Some(0) => blank_name(cx, text),
        Some(at) => Some(KeyValue { key: word(text.sub(0..at)), value: word(text.from(at + 1)), legacy: false }),
        None => {
            let keyword = cx.keyword();
            let message = format!("there is no `=` in `{}`: `{keyword}` takes `NAME=value` pairs", text.text());
            let hint = "put a value that has white space in it in quotes";
            cx.fail(Diagnostic::error("missing-equals", text.span(), message).hint(hint))
        }
    }
}

fn blank_name<T>(cx: &mut Context<'_, '_>, text: Slice<'_>) -> Option<T> {
    let message = format!("`{}` needs a name before `=`", cx.keyword());
    cx.fail(Diagnostic::error("blank-name", text.span(), message))
}

/// `NAME value with spaces`, the form from before `=`.
fn legacy(cx: &mut Context<'_, '_>) -> Option<KeyValue> {
    let (key, value) = cx.rest().split_once_at(is_blank);
    match value {
        Some(value) => Some(KeyValue { key: word(key), value: word(value), legacy: true }),
        None => {
            let message = format!("`{}` has a name and no value", cx.keyword());
            let hint = format!("write `{}=value`", key.text());
            let end = cx.end();
            cx.fail(Diagnostic::error("missing-value", key.span(), message).also(end, "here").hint(hint))
        }
    }
}

pub(super) fn arg(cx: &mut Context<'_, '_>) -> Option<Instruction> {
    cx.ignore_flags("ARG");
    let words = quoted_words(cx.rest(), cx.escape);
    if words.is_empty() {
        return cx.fail_missing("at least one name");
    }
    let args: Vec<Arg> = words.into_iter().map(|word| one_arg(cx, word)).collect::<Option<_>>()?;
    Some(Instruction::Arg(args))
}

fn one_arg(cx: &mut Context<'_, '_>, text: Slice<'_>) -> Option<Arg> {
    let (name, default) = match text.text().find('=') {
        Some(0) => return blank_name(cx, text),
        Some(at) => (text.sub(0..at), Some(word(text.from(at + 1)))),
        None => (text, None),
    };
    let description = cx
        .raw
        .comments
        .iter()
        .find_map(|comment| comment.value.strip_prefix(name.text())?.strip_prefix(' ').map(str::to_owned));
    Some(Arg { name: Spanned::new(name.text().to_owned(), name.span()), default, description })
}
