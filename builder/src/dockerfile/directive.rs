//! Parser directives: `# name=value` above everything else (Dockerfile reference, "Parser directives").

use std::fmt;

use serde::Serialize;

use super::word::Escape;
use crate::diagnostic::Diagnostic;
use crate::source::{Span, Spanned};

/// The directives that there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DirectiveName {
    /// The frontend to use; dhow has one, and takes the line as information.
    Syntax,
    /// The escape character.
    Escape,
    /// What the rules skip, and whether their findings are errors.
    Check,
}

impl fmt::Display for DirectiveName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Syntax => "syntax",
            Self::Escape => "escape",
            Self::Check => "check",
        })
    }
}

/// One directive of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Directive {
    /// Which one.
    pub name: DirectiveName,
    /// What it is set to, as written.
    pub value: Spanned<String>,
    /// The line, from `#` to the end of the value.
    pub span: Span,
}

/// Whether directives can still come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// After a `#!` line everything but `escape` counts, as in the reference.
    AfterShebang,
    Closed,
}

/// Collects the directives at the start of a file.
#[derive(Debug)]
pub(crate) struct Directives {
    state: State,
    pub(crate) found: Vec<Directive>,
    pub(crate) escape: Escape,
}

impl Directives {
    pub(crate) fn new() -> Self {
        Self { state: State::Open, found: Vec::new(), escape: Escape::default() }
    }

    /// Offers the next line, whose first character that is no white space stands at `at`. Tells whether it is a
    /// directive; the first line that is none closes the matter.
    pub(crate) fn offer(&mut self, line: &str, at: usize, diagnostics: &mut Vec<Diagnostic>) -> bool {
        if self.state == State::Closed {
            return false;
        }
        if at <= BOM.len() && line.starts_with("#!") && self.found.is_empty() {
            self.state = State::AfterShebang;
            return false;
        }
        let Some(directive) = read(line, at) else {
            self.state = State::Closed;
            return false;
        };
        let twice = self.found.iter().any(|other| other.name == directive.name);
        if twice && self.state == State::Open {
            let message = format!("only one `{}` directive can be given", directive.name);
            diagnostics.push(Diagnostic::error("duplicate-directive", directive.span, message));
        } else if directive.name == DirectiveName::Escape {
            self.set_escape(&directive, diagnostics);
        }
        self.found.push(directive);
        true
    }

    fn set_escape(&mut self, directive: &Directive, diagnostics: &mut Vec<Diagnostic>) {
        let value = &directive.value;
        if self.state == State::AfterShebang {
            let message = "the `escape` directive has no effect below a `#!` line";
            diagnostics.push(Diagnostic::warning("escape-after-shebang", directive.span, message));
            return;
        }
        match value.value.as_str() {
            "\\" => self.escape = Escape::Backslash,
            "`" => self.escape = Escape::Backtick,
            other => diagnostics.push(
                Diagnostic::error("invalid-escape", value.span, format!("`{other}` cannot be the escape character"))
                    .hint("it is either `\\` or a backtick"),
            ),
        }
    }
}

/// The byte order mark that some editors write first.
pub(crate) const BOM: &str = "\u{feff}";

fn read(line: &str, at: usize) -> Option<Directive> {
    let body = line.strip_prefix('#')?;
    let (name, value) = body.split_once('=')?;
    let name = match name.trim().to_ascii_lowercase().as_str() {
        "syntax" => DirectiveName::Syntax,
        "escape" => DirectiveName::Escape,
        "check" => DirectiveName::Check,
        _ => return None,
    };
    let start = at + line.len() - value.trim_start().len();
    let value = value.trim();
    if value.is_empty() {
        return None;
    }
    let span = Span::new(start, start + value.len());
    Some(Directive { name, value: Spanned::new(value.to_owned(), span), span: Span::new(at, span.end) })
}

#[cfg(test)]
mod tests {
    use super::{Directives, Escape};

    fn check(lines: &[&str], found: &[(&str, &str)], escape: Escape) {
        let mut directives = Directives::new();
        let mut diagnostics = Vec::new();
        let mut at = 0;
        for line in lines {
            directives.offer(line, at, &mut diagnostics);
            at += line.len() + 1;
        }
        let names: Vec<_> = directives.found.iter().map(|d| (d.name.to_string(), d.value.value.clone())).collect();
        let expected: Vec<_> = found.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        assert_eq!((names, directives.escape), (expected, escape), "{lines:?}");
    }

    #[test]
    fn directives_come_first_or_not_at_all() {
        check(
            &["# syntax=docker/dockerfile:1", "#escape = `"],
            &[("syntax", "docker/dockerfile:1"), ("escape", "`")],
            Escape::Backtick,
        );
        check(&["#  CHECK = skip=all ; error=true "], &[("check", "skip=all ; error=true")], Escape::Backslash);
        check(&["# a comment", "# escape=`"], &[], Escape::Backslash);
        check(&["", "# escape=`"], &[], Escape::Backslash);
        check(&["# escape="], &[], Escape::Backslash);
        check(&["#!/bin/x", "# check=skip=all"], &[("check", "skip=all")], Escape::Backslash);
        check(&["#!/bin/x", "# escape=`"], &[("escape", "`")], Escape::Backslash);
    }
}
