//! The formatter: one way to write what can be written in many. It never changes what a file means.
//!
//! Keywords are in upper case, parts are one space apart, lines that continue an instruction are indented, there is at
//! most one empty line in a row. Shell text and heredocs are left as they are: their white space is part of the
//! image's history. Every instruction is read again after it is written anew; should it then say something else,
//! which quotes over several lines can bring about, it is left alone.

use super::ast::{Dockerfile, Statement};
use super::directive::BOM;
use super::lexer::{self, Lexed, RawStatement, continued};
use super::meaning;
use super::parse;
use super::split::Split;
use super::word::Escape;
use crate::diagnostic::Diagnostic;
use crate::source::SourceFile;

mod layout;

/// Formats a Dockerfile.
///
/// # Errors
/// The file has mistakes; what they are.
pub fn format(source: &SourceFile) -> Result<String, Vec<Diagnostic>> {
    let (dockerfile, _) = parse(source).into_result()?;
    let lexed = lexer::lex(source);
    let eol =
        if source.text().find('\n').is_some_and(|at| source.text()[..at].ends_with('\r')) { "\r\n" } else { "\n" };
    let text = Formatter { source, lexed: &lexed, eol, out: String::new() }.run();
    let again = parse(&SourceFile::new(source.name(), &text)).into_result();
    // Beyond single instructions, a comment could have become a directive. Then the file stays as it is.
    match again {
        Ok((after, _)) if meaning::of(&after) == meaning::of(&dockerfile) => Ok(text),
        _ => Ok(source.text().to_owned()),
    }
}

struct Formatter<'a> {
    source: &'a SourceFile,
    lexed: &'a Lexed,
    eol: &'static str,
    out: String,
}

impl Formatter<'_> {
    fn run(mut self) -> String {
        let mut at = if self.source.text().starts_with(BOM) { BOM.len() } else { 0 };
        for directive in &self.lexed.directives {
            self.gap(at, directive.span.start);
            self.line(&format!("# {}={}", directive.name, directive.value.value));
            at = self.end_of_line(directive.span.end);
        }
        for statement in &self.lexed.statements {
            self.gap(at, statement.span.start);
            self.statement(statement);
            at = self.end_of_line(statement.span.end);
        }
        self.gap(at, self.source.text().len());
        while self.out.ends_with(&format!("{0}{0}", self.eol)) {
            self.out.truncate(self.out.len() - self.eol.len());
        }
        self.out
    }

    fn line(&mut self, text: &str) {
        self.out.push_str(text);
        self.out.push_str(self.eol);
    }

    /// The first byte of the line after the one that `at` stands in.
    fn end_of_line(&self, at: usize) -> usize {
        let text = self.source.text();
        text[at..].find('\n').map_or(text.len(), |length| at + length + 1)
    }

    /// Comments and empty lines between two instructions; `end` may be after the indentation of the second.
    fn gap(&mut self, start: usize, end: usize) {
        let mut empty = false;
        for line in self.source.text()[start.min(end)..end].split_inclusive('\n') {
            let text = line.trim();
            if !text.is_empty() {
                // At the top, an empty line says that a comment is no directive.
                let separates = !self.out.is_empty() || text.contains('=');
                self.empty_line(std::mem::take(&mut empty) && separates);
                self.line(text);
            } else if line.ends_with('\n') {
                empty = true;
            }
        }
        self.empty_line(empty && !self.out.is_empty());
    }

    fn empty_line(&mut self, wanted: bool) {
        if wanted {
            self.line("");
        }
    }

    fn statement(&mut self, raw: &RawStatement) {
        let text = self.source.text();
        let body = raw.heredocs.first().map(|heredoc| &text[heredoc.span.start..raw.span.end]);
        let end = raw.heredocs.first().map_or(raw.span.end, |heredoc| heredoc.span.start);
        let header: Vec<&str> = text[raw.span.start..end].trim_end_matches(['\r', '\n']).split('\n').collect();
        let escape = self.lexed.escape;
        let wanted = read(&text[raw.span.start..raw.span.end], escape);
        let written = [layout::neat(raw, &header, escape), layout::keyword(raw, &header)].into_iter().find(|lines| {
            let mut whole = lines.join("\n");
            whole.extend(body.map(|body| format!("\n{body}")));
            wanted.is_some() && read(&whole, escape) == wanted
        });
        let lines = written.unwrap_or_else(|| header.iter().map(|line| (*line).to_owned()).collect());
        lines.iter().for_each(|line| self.line(line.trim_end_matches('\r')));
        if let Some(body) = body {
            self.line(body);
        }
    }
}

/// What a single instruction says.
fn read(text: &str, escape: Escape) -> Option<serde_json::Value> {
    let source = SourceFile::new("", format!("# escape={}\nFROM x\n{text}\n", escape.char()));
    let (dockerfile, _) = parse(&source).into_result().ok()?;
    let Dockerfile { stages, .. } = &dockerfile;
    let statements: Vec<&Statement> = stages.iter().flat_map(|stage| &stage.statements).collect();
    // One instruction and nothing else, or a stage.
    match (stages.len(), statements.len()) {
        (1, 1) | (2, 0) => Some(meaning::of(&dockerfile)),
        _ => None,
    }
}

/// The cut of a statement, for the layout.
fn split<'a>(raw: &'a RawStatement, escape: Escape) -> Split<'a> {
    Split::new(raw.line.all(), escape)
}

/// What remains of a line that goes on, and whether it does.
fn content(line: &str, escape: Escape) -> (&str, bool) {
    let line = line.trim_end_matches('\r');
    continued(line, escape.char()).map_or((line, false), |kept| (&line[..kept], true))
}
