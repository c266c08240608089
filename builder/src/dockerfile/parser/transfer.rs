//! `COPY` and `ADD`: sources, destination, flags.

use super::context::{Context, word};
use crate::diagnostic::Diagnostic;
use crate::dockerfile::ast::{Instruction, Source};
use crate::dockerfile::flag::Flags;
use crate::dockerfile::heredoc;
use crate::dockerfile::instruction::{Add, Copy, Transfer};
use crate::dockerfile::json_form::JsonForm;
use crate::dockerfile::line::is_blank;
use crate::dockerfile::word::Word;
use crate::source::Spanned;

const COPY_FLAGS: &[&str] = &["chown", "from", "chmod", "link", "exclude", "parents"];
const ADD_FLAGS: &[&str] = &["chown", "chmod", "link", "keep-git-dir", "checksum", "unpack", "exclude"];

pub(super) fn copy(cx: &mut Context<'_, '_>) -> Option<Instruction> {
    let mut flags = cx.flags("COPY", COPY_FLAGS);
    let from = flags.nonempty("from").map(|word| Spanned::new(word.text, word.span));
    let parents = flags.switch("parents");
    let common = Common::take(&mut flags);
    let from = from.filter(|from| no_variable(cx, from));
    Some(Instruction::Copy(Copy { transfer: transfer(cx, common)?, from, parents }))
}

pub(super) fn add(cx: &mut Context<'_, '_>) -> Option<Instruction> {
    let mut flags = cx.flags("ADD", ADD_FLAGS);
    let checksum = flags.nonempty("checksum");
    let keep_git_dir = flags.switch("keep-git-dir");
    let unpack = flags.switch("unpack");
    let common = Common::take(&mut flags);
    Some(Instruction::Add(Add { transfer: transfer(cx, common)?, checksum, keep_git_dir, unpack }))
}

/// The flags that both have.
struct Common {
    chown: Option<Word>,
    chmod: Option<Word>,
    link: Option<Spanned<bool>>,
    excludes: Vec<Spanned<String>>,
}

impl Common {
    fn take(flags: &mut Flags<'_>) -> Self {
        Self {
            chown: flags.nonempty("chown"),
            chmod: flags.nonempty("chmod"),
            link: flags.switch("link"),
            excludes: flags.words("exclude").into_iter().map(|word| Spanned::new(word.text, word.span)).collect(),
        }
    }
}

/// Whatever would change when it is expanded cannot be in `--from`.
fn no_variable(cx: &mut Context<'_, '_>, from: &Spanned<String>) -> bool {
    let plain = !from.value.contains(['$', '\'', '"', cx.escape.char()]);
    if !plain {
        let hint = "name a stage with `FROM ${VARIABLE} AS name`, and copy from that";
        cx.diagnostics.push(Diagnostic::error("variable-in-from", from.span, "`--from` takes no variables").hint(hint));
    }
    plain
}

fn transfer(cx: &mut Context<'_, '_>, common: Common) -> Option<Transfer> {
    let rest = cx.rest();
    let (mut words, json): (Vec<Word>, bool) = match cx.json(rest)? {
        JsonForm::Strings(strings) => (strings.into_iter().map(|s| Word::new(s.value, s.span)).collect(), true),
        _ if rest.is_empty() => (Vec::new(), false),
        _ => (rest.split_at_runs(is_blank).into_iter().map(word).collect(), false),
    };
    let destination = words.pop();
    let Some(destination) = destination.filter(|_| !words.is_empty()) else {
        return cx.fail_missing("a source and a destination");
    };
    if heredoc::opener(&destination.text).is_some() {
        let message = format!("a heredoc cannot be the destination of `{}`", cx.keyword());
        return cx.fail(Diagnostic::error("heredoc-destination", destination.span, message));
    }
    let sources = words.into_iter().map(|word| source(cx, word)).collect();
    let Common { chown, chmod, link, excludes } = common;
    Some(Transfer { sources, destination, json, chown, chmod, link, excludes })
}

fn source(cx: &Context<'_, '_>, word: Word) -> Source {
    let Some(opener) = heredoc::opener(&word.text) else { return Source::Path(word) };
    // A name that is used twice stands for its last body, as in the reference.
    match cx.raw.heredocs.iter().rfind(|heredoc| heredoc.name == opener.name) {
        Some(heredoc) => Source::Heredoc(heredoc.clone()),
        None => Source::Heredoc(opener),
    }
}
