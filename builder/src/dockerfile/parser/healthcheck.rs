//! `HEALTHCHECK`.

use super::command;
use super::context::Context;
use crate::diagnostic::Diagnostic;
use crate::dockerfile::ast::Instruction;
use crate::dockerfile::duration;
use crate::dockerfile::flag::Flags;
use crate::dockerfile::instruction::{CommandForm, Healthcheck, HealthcheckCmd};
use crate::dockerfile::line::Slice;
use crate::suggest;

const FLAGS: &[&str] = &["interval", "timeout", "start-period", "start-interval", "retries"];
/// The least duration that is not zero, in nanoseconds.
const MINIMUM: i64 = 1_000_000;

pub(super) fn parse(cx: &mut Context<'_, '_>) -> Option<Instruction> {
    let (kind, rest) = cx.rest().split_once_at(char::is_whitespace);
    let rest = rest.unwrap_or(kind.from(kind.text().len()));
    let check = match kind.text().to_ascii_uppercase().as_str() {
        "" => return cx.fail_missing("`CMD` and a command, or `NONE`"),
        "NONE" => none(cx, rest)?,
        "CMD" => cmd(cx, rest)?,
        other => {
            let message = format!("`HEALTHCHECK` has no `{}`", kind.text());
            let diagnostic = Diagnostic::error("unknown-healthcheck", kind.span(), message);
            let nearest = suggest::nearest(other, ["CMD", "NONE"]);
            return cx.fail(diagnostic.did_you_mean(Some(nearest.unwrap_or("CMD"))));
        }
    };
    Some(Instruction::Healthcheck(check))
}

fn none(cx: &mut Context<'_, '_>, rest: Slice<'_>) -> Option<Healthcheck> {
    cx.ignore_flags("HEALTHCHECK NONE");
    if !rest.is_empty() {
        let message = "`HEALTHCHECK NONE` takes no arguments";
        return cx.fail(Diagnostic::error("extra-argument", rest.span(), message));
    }
    Some(Healthcheck::None)
}

fn cmd(cx: &mut Context<'_, '_>, rest: Slice<'_>) -> Option<Healthcheck> {
    let mut flags = cx.flags("HEALTHCHECK", FLAGS);
    let interval = time(&mut flags, "interval");
    let timeout = time(&mut flags, "timeout");
    let start_period = time(&mut flags, "start-period");
    let start_interval = time(&mut flags, "start-interval");
    let retries = retries(&mut flags);
    let form = command::form(cx, rest)?;
    let empty = match &form {
        CommandForm::Shell(text) => text.value.is_empty(),
        CommandForm::Exec(arguments) => arguments.is_empty(),
    };
    if empty {
        return cx.fail_missing("a command after `CMD`");
    }
    Some(Healthcheck::Cmd(HealthcheckCmd { form, interval, timeout, start_period, start_interval, retries }))
}

fn time(flags: &mut Flags<'_>, name: &str) -> i64 {
    let Some(word) = flags.nonempty(name) else { return 0 };
    let message = match duration::parse(&word.text) {
        Some(value) if value == 0 || value >= MINIMUM => return value,
        Some(_) => format!("`--{name}` cannot be less than 1ms"),
        None => format!("`{}` is not a duration", word.text),
    };
    let hint = "durations are numbers with units, such as `30s`, `1m30s` or `500ms`";
    flags.report(Diagnostic::error("invalid-duration", word.span, message).hint(hint));
    0
}

fn retries(flags: &mut Flags<'_>) -> i64 {
    let Some(word) = flags.nonempty("retries") else { return 0 };
    match word.text.parse::<i32>() {
        Ok(value) if value >= 0 => value.into(),
        _ => {
            let message = format!("`--retries` is a number from 0 up, not `{}`", word.text);
            flags.report(Diagnostic::error("invalid-retries", word.span, message));
            0
        }
    }
}
