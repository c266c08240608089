//! `FROM [--platform=P] BASE [AS NAME]`.

use super::context::{Context, word};
use crate::diagnostic::Diagnostic;
use crate::dockerfile::instruction::{Alias, From};
use crate::dockerfile::line::{Slice, is_blank};
use crate::source::Spanned;

pub(super) fn parse(cx: &mut Context<'_, '_>) -> Option<From> {
    let platform = cx.flags("FROM", &["platform"]).nonempty("platform");
    if cx.rest().is_empty() {
        return cx.fail_missing("a base image");
    }
    let words = cx.rest().split_at_runs(is_blank);
    let alias = match words.as_slice() {
        [_] => None,
        [_, keyword, name] if keyword.text().eq_ignore_ascii_case("as") => Some(alias(cx, *keyword, *name)?),
        [_, rest @ ..] => {
            let span = rest[0].span().to(rest[rest.len() - 1].span());
            let message = "after its base, `FROM` takes `AS` and a name, and nothing else";
            return cx.fail(
                Diagnostic::error("invalid-from", span, message).hint("write `FROM BASE` or `FROM BASE AS NAME`"),
            );
        }
        [] => return None,
    };
    Some(From { platform, base: word(words[0]), alias })
}

fn alias(cx: &mut Context<'_, '_>, keyword: Slice<'_>, written: Slice<'_>) -> Option<Alias> {
    let name = written.text().to_lowercase();
    let valid = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.'));
    if !valid {
        let message = format!("`{}` cannot be the name of a stage", written.text());
        let hint = "a name begins with a letter and goes on with letters, digits, `-`, `_` and `.`";
        return cx.fail(Diagnostic::error("invalid-stage-name", written.span(), message).hint(hint));
    }
    Some(Alias {
        keyword: Spanned::new(keyword.text().to_owned(), keyword.span()),
        name,
        written: Spanned::new(written.text().to_owned(), written.span()),
    })
}
