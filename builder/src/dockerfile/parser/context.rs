//! What the reader of an instruction has at hand.

use crate::diagnostic::Diagnostic;
use crate::dockerfile::flag::Flags;
use crate::dockerfile::json_form::{self, JsonForm};
use crate::dockerfile::lexer::RawStatement;
use crate::dockerfile::line::Slice;
use crate::dockerfile::split::{RawFlag, Split};
use crate::dockerfile::word::{Escape, Word};
use crate::source::{Span, Spanned};

/// One statement to read, and where to report.
pub(super) struct Context<'a, 'd> {
    pub(super) raw: &'a RawStatement,
    /// The statement, or the trigger inside an `ONBUILD`.
    pub(super) line: Slice<'a>,
    pub(super) split: Split<'a>,
    pub(super) escape: Escape,
    pub(super) diagnostics: &'d mut Vec<Diagnostic>,
}

impl<'a, 'd> Context<'a, 'd> {
    pub(super) fn new(raw: &'a RawStatement, escape: Escape, diagnostics: &'d mut Vec<Diagnostic>) -> Self {
        let line = raw.line.all();
        Self { raw, line, split: Split::new(line, escape), escape, diagnostics }
    }

    /// The same for a part of the statement, reporting to `diagnostics`.
    pub(super) fn inner<'e>(&self, line: Slice<'a>, diagnostics: &'e mut Vec<Diagnostic>) -> Context<'a, 'e> {
        Context { raw: self.raw, line, split: Split::new(line, self.escape), escape: self.escape, diagnostics }
    }

    /// The keyword in upper case.
    pub(super) fn keyword(&self) -> String {
        self.split.keyword.text().to_ascii_uppercase()
    }

    /// The keyword as written.
    pub(super) fn written_keyword(&self) -> Spanned<String> {
        Spanned::new(self.split.keyword.text().to_owned(), self.split.keyword.span())
    }

    /// Everything after the flags.
    pub(super) fn rest(&self) -> Slice<'a> {
        self.split.rest
    }

    /// The flags, of which `known` exist. Call [`Flags`]' methods for each of them.
    pub(super) fn flags(&mut self, instruction: &'static str, known: &'static [&'static str]) -> Flags<'_> {
        Flags::new(instruction, &self.split.flags, known, self.diagnostics)
    }

    /// Rejects every flag.
    pub(super) fn no_flags(&mut self, instruction: &'static str) {
        self.flags(instruction, &[]);
    }

    /// Tolerates every flag with a warning, where the reference takes no notice of them.
    pub(super) fn ignore_flags(&mut self, instruction: &'static str) {
        for RawFlag { text, span, .. } in &self.split.flags {
            let message = format!("`{instruction}` has no flags: `{text}` is ignored");
            self.diagnostics.push(Diagnostic::warning("ignored-flag", *span, message));
        }
    }

    /// Reports an error and gives up the statement.
    pub(super) fn fail<T>(&mut self, diagnostic: Diagnostic) -> Option<T> {
        self.diagnostics.push(diagnostic);
        None
    }

    /// An error at the keyword: an argument is missing.
    pub(super) fn fail_missing<T>(&mut self, what: &str) -> Option<T> {
        let keyword = self.written_keyword();
        let message = format!("`{}` needs {what}", self.keyword());
        self.fail(Diagnostic::error("missing-argument", keyword.span, message))
    }

    /// Reads `text` as JSON where it is an array; an array of other things than strings is reported.
    pub(super) fn json(&mut self, text: Slice<'_>) -> Option<JsonForm> {
        let form = json_form::read(text);
        let JsonForm::NotStrings(span) = form else { return Some(form) };
        let message = "an array of arguments can hold nothing but strings";
        self.fail(Diagnostic::error("json-not-strings", span, message).hint("put it in double quotes"))
    }

    /// The place right after the statement's text, for what is missing there.
    pub(super) fn end(&self) -> Span {
        let end = self.line.span().end;
        Span::new(end, end)
    }
}

/// The text of `slice` as a word.
pub(super) fn word(slice: Slice<'_>) -> Word {
    Word::new(slice.text(), slice.span())
}
