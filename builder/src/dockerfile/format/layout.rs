//! How a statement is laid out on lines.

use super::{content, split};
use crate::dockerfile::ast::KEYWORDS;
use crate::dockerfile::json_form::{self, JsonForm};
use crate::dockerfile::lexer::RawStatement;
use crate::dockerfile::line::{LogicalLine, Slice, is_blank};
use crate::dockerfile::split::quoted_words;
use crate::dockerfile::word::Escape;

const INDENT: &str = "    ";

/// What white space between the words of an instruction's rest means.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rest {
    /// It separates.
    Words,
    /// It separates outside quotes.
    QuotedWords,
    /// It is part of the text.
    Text,
}

fn rest_of(keyword: &str) -> Rest {
    match keyword {
        "FROM" | "COPY" | "ADD" | "EXPOSE" | "VOLUME" => Rest::Words,
        "ENV" | "LABEL" | "ARG" => Rest::QuotedWords,
        _ => Rest::Text,
    }
}

/// A line, and how the escape character follows it.
enum Laid {
    /// A comment: not at all.
    Comment(String),
    /// After a space.
    Apart(String),
    /// Directly, as white space before it is part of a text.
    Joined(String),
}

/// The lines of `raw`, whose own lines are `header`, as they should be.
pub(super) fn neat(raw: &RawStatement, header: &[&str], escape: Escape) -> Vec<String> {
    let cut = split(raw, escape);
    let keyword = cut.keyword.text().to_ascii_uppercase();
    let rest = rest_of(&keyword);
    if header.len() == 1 {
        let text = json(cut.rest).unwrap_or_else(|| words(cut.rest, rest, escape).join(" "));
        let flags = cut.flags.iter().map(|flag| raw_flag(raw, flag.span.start, flag.span.end));
        let parts = std::iter::once(keyword).chain(flags).chain([text]).filter(|part| !part.is_empty());
        let line = parts.collect::<Vec<_>>().join(" ");
        return vec![if rest == Rest::Words { aliased(line) } else { line }];
    }
    // In a text, only lines up to where it begins can be moved.
    let free = if rest == Rest::Text && !cut.rest.is_empty() { cut.rest.span().start } else { usize::MAX };
    let mut at = raw.span.start;
    let mut lines = Vec::new();
    for (index, line) in header.iter().enumerate() {
        let (start, end) = (at + line.len() - line.trim_start().len(), at + line.len());
        at = end + 1;
        let (text, _) = content(line, escape);
        lines.extend(match (index > 0 && line.trim().starts_with('#'), start <= free, end <= free) {
            (true, true, _) => Some(Laid::Comment(format!("{INDENT}{}", line.trim()))),
            (true, false, _) => Some(Laid::Comment(line.trim_end().to_owned())),
            (false, ..) if index > 0 && (line.trim().is_empty() || text.is_empty()) => None,
            (false, false, _) => Some(Laid::Joined(text.to_owned())),
            (false, true, false) if index == 0 => Some(Laid::Joined(first(text, &keyword, rest, escape))),
            (false, true, false) => Some(Laid::Joined(format!("{INDENT}{}", text.trim_start()))),
            (false, true, true) if index == 0 => Some(Laid::Apart(first(text.trim(), &keyword, rest, escape))),
            (false, true, true) => Some(Laid::Apart(format!("{INDENT}{}", joined(text.trim(), rest, escape)))),
        });
    }
    continue_lines(lines, escape)
}

/// The lines as they are, but for the case of the keyword.
pub(super) fn keyword(raw: &RawStatement, header: &[&str]) -> Vec<String> {
    let mut lines: Vec<String> = header.iter().map(|line| (*line).to_owned()).collect();
    let end = raw.line.all().trim().text().find(is_blank).unwrap_or(0);
    if let Some(first) = lines.first_mut()
        && let Some(keyword) = first.get(..end).filter(|word| KEYWORDS.iter().any(|k| k.eq_ignore_ascii_case(word)))
    {
        *first = format!("{}{}", keyword.to_ascii_uppercase(), &first[end..]);
    }
    lines
}

/// Puts the escape character at the end of all lines of content but the last; lines below that say nothing.
fn continue_lines(lines: Vec<Laid>, escape: Escape) -> Vec<String> {
    let last = lines.iter().rposition(|line| !matches!(line, Laid::Comment(_))).unwrap_or(0);
    let lines = lines.into_iter().take(last + 1).enumerate();
    lines
        .map(|(index, line)| match line {
            Laid::Comment(text) => text,
            Laid::Apart(text) | Laid::Joined(text) if index == last => text.trim_end().to_owned(),
            Laid::Apart(text) => format!("{text} {}", escape.char()),
            Laid::Joined(text) => format!("{text}{}", escape.char()),
        })
        .collect()
}

fn first(text: &str, keyword: &str, rest: Rest, escape: Escape) -> String {
    let (_, after) = text.split_once(is_blank).unwrap_or((text, ""));
    let after = after.trim_start();
    let after = if rest == Rest::Text { after.to_owned() } else { joined(after, rest, escape) };
    let space = if after.is_empty() { "" } else { " " };
    let line = format!("{keyword}{space}{after}");
    if rest == Rest::Words { aliased(line) } else { line }
}

fn joined(text: &str, rest: Rest, escape: Escape) -> String {
    let mut line = LogicalLine::default();
    line.push(text, 0);
    words(line.all(), rest, escape).join(" ")
}

fn words<'a>(text: Slice<'a>, rest: Rest, escape: Escape) -> Vec<&'a str> {
    let words = match rest {
        Rest::Text => vec![text],
        Rest::Words => text.split_at_runs(is_blank),
        Rest::QuotedWords => quoted_words(text, escape),
    };
    words.into_iter().map(Slice::text).collect()
}

/// `AS` of a `FROM` goes with the keyword.
fn aliased(line: String) -> String {
    let words: Vec<&str> = line.split(' ').collect();
    match words.as_slice() {
        ["FROM", before @ .., keyword, name] if keyword.eq_ignore_ascii_case("as") => {
            format!("FROM {} AS {name}", before.join(" "))
        }
        _ => line,
    }
}

/// An array with one space after each comma; its strings are as they were.
fn json(rest: Slice<'_>) -> Option<String> {
    let JsonForm::Strings(strings) = json_form::read(rest) else { return None };
    let start = rest.span().start;
    let text = rest.text();
    let strings = strings.iter().map(|string| text.get(string.span.start - start..string.span.end - start));
    Some(format!("[{}]", strings.collect::<Option<Vec<_>>>()?.join(", ")))
}

fn raw_flag(raw: &RawStatement, start: usize, end: usize) -> String {
    let line = raw.line.all();
    let offset = line.span().start;
    line.text().get(start - offset..end - offset).unwrap_or_default().to_owned()
}
