//! From the bytes of a file to statements: joins continued lines, drops comments, reads heredoc bodies.
//!
//! What the words of a statement mean is the parser's matter; the lexer looks at the first ones only to know
//! whether heredocs can follow.

use super::directive::{BOM, Directive, Directives};
use super::heredoc::{self, Heredoc, Opener};
use super::line::LogicalLine;
use super::split::Split;
use super::word::Escape;
use crate::diagnostic::Diagnostic;
use crate::source::{SourceFile, Span, Spanned};

/// One statement, not yet taken apart.
#[derive(Debug)]
pub(crate) struct RawStatement {
    /// Its line, continuations joined.
    pub(crate) line: LogicalLine,
    /// The heredocs that it opens, with their bodies.
    pub(crate) heredocs: Vec<Heredoc>,
    /// The comments directly above it; an empty comment line cuts off what is above that.
    pub(crate) comments: Vec<Spanned<String>>,
    /// From its first character to its last, heredocs included.
    pub(crate) span: Span,
    /// The first empty line inside it, if there is one.
    pub(crate) empty_continuation: Option<Span>,
}

/// Everything that stands in a file.
#[derive(Debug)]
pub(crate) struct Lexed {
    pub(crate) directives: Vec<Directive>,
    pub(crate) escape: Escape,
    pub(crate) statements: Vec<RawStatement>,
    /// Every comment line but the directives, from `#` to its end.
    pub(crate) comments: Vec<Span>,
    pub(crate) diagnostics: Vec<Diagnostic>,
}

/// Takes `source` apart.
pub(crate) fn lex(source: &SourceFile) -> Lexed {
    let start = if source.text().starts_with(BOM) { BOM.len() } else { 0 };
    let mut lexer = Lexer {
        text: source.text(),
        at: start,
        directives: Directives::new(),
        pending: Vec::new(),
        statements: Vec::new(),
        comments: Vec::new(),
        diagnostics: Vec::new(),
    };
    while let Some(line) = lexer.next_line() {
        lexer.statement(line);
    }
    Lexed {
        directives: lexer.directives.found,
        escape: lexer.directives.escape,
        statements: lexer.statements,
        comments: lexer.comments,
        diagnostics: lexer.diagnostics,
    }
}

/// A line of the file.
#[derive(Clone, Copy)]
struct Line<'a> {
    start: usize,
    /// With its end.
    raw: &'a str,
}

impl<'a> Line<'a> {
    /// Without its end.
    fn text(self) -> &'a str {
        self.raw.trim_end_matches(['\r', '\n'])
    }

    /// Without white space at its start either, and where that begins in the file.
    fn trimmed(self) -> (&'a str, usize) {
        let text = self.text();
        let trimmed = text.trim_start();
        (trimmed, self.start + text.len() - trimmed.len())
    }

    fn is_comment(self) -> bool {
        self.trimmed().0.starts_with('#')
    }

    fn is_empty(self) -> bool {
        self.trimmed().0.is_empty()
    }
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    directives: Directives,
    pending: Vec<Spanned<String>>,
    statements: Vec<RawStatement>,
    comments: Vec<Span>,
    diagnostics: Vec<Diagnostic>,
}

impl<'a> Lexer<'a> {
    fn next_line(&mut self) -> Option<Line<'a>> {
        let rest = &self.text[self.at..];
        let length = rest.find('\n').map_or(rest.len(), |at| at + 1);
        let line = Line { start: self.at, raw: &rest[..length] };
        self.at += length;
        (length > 0).then_some(line)
    }

    fn statement(&mut self, first: Line<'a>) {
        let (text, at) = first.trimmed();
        if self.directives.offer(text, at, &mut self.diagnostics) {
            return;
        }
        if text.starts_with('#') {
            self.comment(text, at, first.start);
            return;
        }
        if text.is_empty() {
            return;
        }
        let mut statement = RawStatement {
            line: LogicalLine::default(),
            heredocs: Vec::new(),
            comments: std::mem::take(&mut self.pending),
            span: Span::new(at, at + text.len()),
            empty_continuation: None,
        };
        self.join(text, &mut statement);
        self.heredocs(&mut statement);
        self.statements.push(statement);
    }

    /// Takes a comment that begins at `at` in a line that begins at `line`.
    fn comment(&mut self, text: &str, at: usize, line: usize) {
        self.comments.push(Span::new(at, at + text.len()));
        if at > line {
            // The reference keeps the `#` of an indented comment, so that it says nothing of what is below.
            self.pending.push(Spanned::new(text.trim_end().to_owned(), Span::new(at, at + text.trim_end().len())));
            return;
        }
        let body = text[1..].trim();
        if body.is_empty() {
            self.pending.clear();
        } else {
            let start = at + text.len() - text[1..].trim_start().len();
            self.pending.push(Spanned::new(body.to_owned(), Span::new(start, start + body.len())));
        }
    }

    /// Reads the lines that continue a statement. Comments among them go, and so do empty lines, with a warning.
    fn join(&mut self, first: &str, statement: &mut RawStatement) {
        let (mut text, mut at) = (first, statement.span.start);
        loop {
            let Some(kept) = continued(text, self.directives.escape.char()) else {
                statement.line.push(text, at);
                statement.span.end = statement.span.end.max(at + text.len());
                return;
            };
            statement.line.push(&text[..kept], at);
            statement.span.end = statement.span.end.max(at + text.len());
            let Some(next) = self.next_continuation(statement) else { return };
            (text, at) = (next.text(), next.start);
        }
    }

    fn next_continuation(&mut self, statement: &mut RawStatement) -> Option<Line<'a>> {
        loop {
            let line = self.next_line()?;
            let (text, at) = line.trimmed();
            if line.is_comment() {
                self.comments.push(Span::new(at, at + text.len()));
            } else if line.is_empty() {
                statement.empty_continuation.get_or_insert(Span::new(line.start, line.start + line.text().len()));
            } else {
                return Some(line);
            }
        }
    }

    fn heredocs(&mut self, statement: &mut RawStatement) {
        let split = Split::new(statement.line.all(), self.directives.escape);
        if !split.can_open_heredocs(self.directives.escape) {
            return;
        }
        for Opener { heredoc, spaced } in heredoc::openers(statement.line.all().text()) {
            // `$((1 << 3))` looks like an opener too. Without an end it is taken for what it is.
            if !spaced || self.is_ended(&heredoc) {
                self.heredoc(heredoc, statement);
            }
        }
    }

    fn is_ended(&self, heredoc: &Heredoc) -> bool {
        self.text[self.at..].split_inclusive('\n').any(|line| heredoc.ends_at(line))
    }

    fn heredoc(&mut self, mut heredoc: Heredoc, statement: &mut RawStatement) {
        let start = self.at;
        let mut end = None;
        while let Some(line) = self.next_line() {
            if heredoc.ends_at(line.raw) {
                end = Some(line.start);
                statement.span.end = line.start + line.text().len();
                break;
            }
        }
        if end.is_none() {
            self.diagnostics.push(unterminated(statement, &heredoc.name));
            statement.span.end = self.at;
        }
        heredoc.span = Span::new(start, end.unwrap_or(self.at));
        heredoc.body = self.text[heredoc.span.range()].to_owned();
        statement.heredocs.push(heredoc);
    }
}

fn unterminated(statement: &RawStatement, name: &str) -> Diagnostic {
    Diagnostic::error("unterminated-heredoc", statement.line.all().span(), format!("heredoc `{name}` is never ended"))
        .hint(format!("end it with a line that is `{name}` and nothing else"))
}

/// How much of `line` counts if it ends in an escape character that is not escaped itself.
pub(super) fn continued(line: &str, escape: char) -> Option<usize> {
    let kept = line.trim_end_matches([' ', '\t']).strip_suffix(escape)?;
    (!kept.ends_with(escape)).then_some(kept.len())
}

#[cfg(test)]
mod tests {
    use super::{continued, lex};
    use crate::source::SourceFile;

    fn check(text: &str, expected: &[&str]) {
        let lexed = lex(&SourceFile::new("Dockerfile", text));
        let lines: Vec<_> = lexed.statements.iter().map(|statement| statement.line.all().text()).collect();
        assert_eq!(lines, expected, "{text:?}");
    }

    #[test]
    fn lines_are_joined() {
        check("RUN a \\\n  b\n", &["RUN a   b"]);
        check("RUN a \\  \r\nb\r\n", &["RUN a b"]);
        check("RUN a \\\n# comment\n\n  b", &["RUN a   b"]);
        check("RUN a \\\\\nRUN b", &["RUN a \\\\", "RUN b"]);
        check("RUN a \\", &["RUN a "]);
        check("\u{feff}RUN a\n\n  RUN b", &["RUN a", "RUN b"]);
        check("# escape=`\nRUN a `\nb \\\n", &["RUN a b \\"]);
        check("\\\nRUN a", &["RUN a"]);
    }

    #[test]
    fn heredoc_bodies_are_no_statements() {
        check("RUN <<A <<B\n# a\nA\nRUN b\nB\nRUN c", &["RUN <<A <<B", "RUN c"]);
        check("onbuild copy <<A /x\nA\nRUN c", &["onbuild copy <<A /x", "RUN c"]);
        check("CMD <<A\nRUN a", &["CMD <<A", "RUN a"]);
        check("RUN cat << A\nRUN b\nA", &["RUN cat << A"]);
        check("RUN echo $((1 << 3))\nRUN b", &["RUN echo $((1 << 3))", "RUN b"]);
        check("RUN [\"<<A\"]\nRUN a", &["RUN [\"<<A\"]", "RUN a"]);
        check("RUN <<-A\n\ta\n\tA\nRUN c", &["RUN <<-A", "RUN c"]);
        let lexed = lex(&SourceFile::new("Dockerfile", "RUN <<A <<B\r\n\ta\r\nA\r\nb\r\nB"));
        let bodies: Vec<_> = lexed.statements[0].heredocs.iter().map(|heredoc| heredoc.body.as_str()).collect();
        assert_eq!(bodies, ["\ta\r\n", "b\r\n"]);
    }

    #[test]
    fn comments_above_a_statement_belong_to_it() {
        let lexed = lex(&SourceFile::new("Dockerfile", "# a\n#\n# b\n\n#  c \nRUN a\n"));
        let comments: Vec<_> = lexed.statements[0].comments.iter().map(|comment| comment.value.as_str()).collect();
        assert_eq!(comments, ["b", "c"]);
        assert_eq!(lexed.comments.len(), 4);
    }

    #[test]
    fn continuation_needs_an_odd_end() {
        for (line, expected) in [("a \\", Some(2)), ("\\", Some(0)), ("a\\\\", None), ("a", None), ("", None)] {
            assert_eq!(continued(line, '\\'), expected, "{line}");
        }
    }
}
