//! What a switch says in vain: names that no rule has, and what stands after a blank. The reference takes no notice.

use super::config::{Config, read_part};
use super::rules::RULES;
use crate::diagnostic::Diagnostic;
use crate::dockerfile::Dockerfile;
use crate::dockerfile::directive::DirectiveName;
use crate::source::{Span, Spanned};
use crate::suggest;

/// A warning for each of them, in the directive and in the comments above instructions.
pub(super) fn find(dockerfile: &Dockerfile) -> Vec<Diagnostic> {
    let directives = dockerfile.directives.iter().filter(|directive| directive.name == DirectiveName::Check);
    let stages = dockerfile.stages.iter();
    let statements = dockerfile.global_args.iter().chain(stages.clone().flat_map(|stage| &stage.statements));
    let comments = stages.flat_map(|stage| &stage.comments).chain(statements.flat_map(|s| &s.comments));
    let switches = comments.filter_map(switch);
    let directives: Vec<_> = directives.map(|directive| &directive.value).collect();
    let unread = directives.iter().filter_map(|text| unread(text)).collect::<Vec<_>>();
    let read = directives.into_iter().map(read_part);
    read.chain(switches).flat_map(|text| unknown(&text)).chain(unread).collect()
}

/// The part after `check=` of a comment that is a switch.
fn switch(comment: &Spanned<String>) -> Option<Spanned<String>> {
    let (key, value) = comment.value.split_once('=')?;
    let value = value.split_whitespace().next()?;
    let start = comment.span.start + comment.value.find(value)?;
    let found = Spanned::new(value.to_owned(), Span::new(start, start + value.len()));
    (key.trim().eq_ignore_ascii_case("check") && Config::parse(value).is_ok()).then_some(found)
}

/// A directive is read up to its first blank.
fn unread(directive: &Spanned<String>) -> Option<Diagnostic> {
    let at = directive.span.start + directive.value.find(' ')?;
    let span = Span::new(at, directive.span.end);
    let diagnostic = Diagnostic::warning("unread-check", span, "the check directive is read up to its first blank");
    Some(diagnostic.hint("write it without blanks, such as `skip=A,B;error=true`"))
}

fn unknown(text: &Spanned<String>) -> Vec<Diagnostic> {
    let Ok(config) = Config::parse(&text.value) else { return Vec::new() };
    let names = || RULES.iter().map(|rule| rule.name);
    let unknown = config.names().filter(|name| !name.is_empty() && names().all(|rule| rule != *name));
    unknown
        .map(|name| {
            let start = text.span.start + text.value.find(name).unwrap_or(0);
            let span = Span::new(start, start + name.len());
            let message = format!("there is no rule `{name}`");
            Diagnostic::warning("unknown-rule", span, message).did_you_mean(suggest::nearest(name, names()))
        })
        .collect()
}
