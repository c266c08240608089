//! `RUN` and its flags.

use super::command;
use super::context::Context;
use crate::diagnostic::Diagnostic;
use crate::dockerfile::ast::Instruction;
use crate::dockerfile::csv;
use crate::dockerfile::flag::Flags;
use crate::dockerfile::instruction::{Device, Network, Run, Security};
use crate::dockerfile::mount::{MountField, MountFlag, MountKey};
use crate::dockerfile::word::Word;
use crate::source::{Span, Spanned};
use crate::suggest;

const FLAGS: &[&str] = &["mount", "network", "security", "device"];
const NETWORKS: [(&str, Network); 3] =
    [("default", Network::Default), ("none", Network::None), ("host", Network::Host)];
const SECURITIES: [(&str, Security); 2] = [("sandbox", Security::Sandbox), ("insecure", Security::Insecure)];

pub(super) fn parse(cx: &mut Context<'_, '_>) -> Option<Instruction> {
    let mut flags = cx.flags("RUN", FLAGS);
    let mounts = flags.words("mount").iter().filter_map(|word| mount(&mut flags, word)).collect();
    let network = choice(&mut flags, "network", &NETWORKS);
    let security = choice(&mut flags, "security", &SECURITIES);
    let devices = flags.words("device").iter().filter_map(|word| device(&mut flags, word)).collect();
    let form = command::form(cx, cx.rest())?;
    Some(Instruction::Run(Run { form, heredocs: cx.raw.heredocs.clone(), mounts, network, security, devices }))
}

fn choice<T: Copy>(flags: &mut Flags<'_>, name: &str, choices: &[(&'static str, T)]) -> Option<Spanned<T>> {
    let word = flags.word(name)?;
    if let Some((_, value)) = choices.iter().find(|(spelling, _)| *spelling == word.text) {
        return Some(Spanned::new(*value, word.span));
    }
    let all: Vec<&str> = choices.iter().map(|(spelling, _)| *spelling).collect();
    let message = format!("`--{name}` has no `{}`", word.text);
    let diagnostic = Diagnostic::error("invalid-flag", word.span, message);
    flags.report(match suggest::nearest(&word.text, all.iter().copied()) {
        Some(nearest) => diagnostic.did_you_mean(Some(nearest)),
        None => diagnostic.hint(format!("it is one of {}", all.join(", "))),
    });
    None
}

/// The fields of a flag's value, with their places where the value is written without quotes and escapes.
fn fields(flags: &mut Flags<'_>, word: &Word) -> Option<Vec<(String, Span)>> {
    let verbatim = word.span.end - word.span.start == word.text.len();
    match csv::fields(&word.text) {
        Ok(fields) => Some(
            fields
                .into_iter()
                .map(|(text, range)| {
                    let whole = verbatim && range.len() == text.len();
                    let span = Span::new(word.span.start + range.start, word.span.start + range.end);
                    (text, if whole { span } else { word.span })
                })
                .collect(),
        ),
        Err(reason) => {
            flags.report(Diagnostic::error(
                "invalid-csv",
                word.span,
                format!("the fields cannot be told apart: {reason}"),
            ));
            None
        }
    }
}

fn mount(flags: &mut Flags<'_>, word: &Word) -> Option<MountFlag> {
    let mut mount = MountFlag { fields: Vec::new(), problems: Vec::new(), span: word.span };
    for (text, span) in fields(flags, word)? {
        match mount_field(&text, span) {
            Ok(field) if is_variable_from(&field) => {
                let hint = "name a stage with `FROM ${VARIABLE} AS name`, and mount from that";
                let diagnostic = Diagnostic::error("variable-in-from", span, "`from` takes no variables");
                flags.report(diagnostic.hint(hint));
                return None;
            }
            Ok(field) => mount.fields.push(field),
            Err(problem) => mount.problems.push(*problem),
        }
    }
    Some(mount)
}

fn mount_field(text: &str, span: Span) -> Result<MountField, Box<Diagnostic>> {
    let (name, value) = match text.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (text, None),
    };
    let exact = span.end - span.start == text.len();
    let part = |start: usize, end: usize| if exact { Span::new(span.start + start, span.start + end) } else { span };
    let Some(key) = MountKey::named(name) else {
        let diagnostic =
            Diagnostic::error("unknown-mount-key", part(0, name.len()), format!("a mount has no key `{name}`"));
        return Err(Box::new(diagnostic.did_you_mean(suggest::nearest(name, MountKey::spellings()))));
    };
    let value = value.map(|value| Word::new(value, part(text.len() - value.len(), text.len())));
    if value.is_none() && !key.can_stand_alone() {
        let diagnostic = Diagnostic::error("missing-mount-value", span, format!("mount key `{name}` needs a value"));
        return Err(Box::new(diagnostic.hint(format!("write `{name}=VALUE`"))));
    }
    Ok(MountField { key: Spanned::new(key, part(0, name.len())), spelling: name.to_owned(), value })
}

/// Whether it is a `from` with a variable; a `$` at its end is none.
fn is_variable_from(field: &MountField) -> bool {
    let from = field.value.as_ref().filter(|_| field.key.value == MountKey::From);
    from.is_some_and(|from| from.text.find('$').is_some_and(|at| at + 1 != from.text.len()))
}

fn device(flags: &mut Flags<'_>, word: &Word) -> Option<Device> {
    let mut device = Device { name: String::new(), required: false, span: word.span };
    for (text, span) in fields(flags, word)? {
        let message = match text.split_once('=') {
            None if text.eq_ignore_ascii_case("required") => {
                device.required = true;
                continue;
            }
            Some((key, value)) if key.eq_ignore_ascii_case("required") => match parse_bool(value) {
                Some(required) => {
                    device.required = required;
                    continue;
                }
                None => format!("`required` is either true or false, not `{value}`"),
            },
            Some((key, value)) if key.eq_ignore_ascii_case("name") && device.name.is_empty() => {
                device.name = value.to_owned();
                continue;
            }
            _ if device.name.is_empty() => {
                device.name = text;
                continue;
            }
            _ => format!("a device has a name and `required`, not `{text}`"),
        };
        flags.report(Diagnostic::error("invalid-device", span, message));
        return None;
    }
    Some(device)
}

/// Go's `strconv.ParseBool`.
pub(crate) fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
        _ => None,
    }
}
