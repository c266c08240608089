//! A line as instructions see it: physical lines joined at their continuations, each byte still knowing its place.

use std::ops::Range;

use crate::source::Span;

/// Joined text and where its pieces come from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct LogicalLine {
    text: String,
    /// Offset in `text` and offset in the file, of the start of each piece.
    pieces: Vec<(usize, usize)>,
}

impl LogicalLine {
    /// Appends `text`, which stands at `source` in the file.
    pub(crate) fn push(&mut self, text: &str, source: usize) {
        if !text.is_empty() || self.pieces.is_empty() {
            self.pieces.push((self.text.len(), source));
            self.text.push_str(text);
        }
    }

    /// The whole line.
    pub(crate) fn all(&self) -> Slice<'_> {
        Slice { line: self, start: 0, end: self.text.len() }
    }

    fn source_offset(&self, at: usize) -> usize {
        let index = self.pieces.partition_point(|(start, _)| *start <= at).saturating_sub(1);
        self.pieces.get(index).map_or(0, |(start, source)| source + (at - start))
    }

    fn span(&self, range: Range<usize>) -> Span {
        let start = self.source_offset(range.start);
        // The end belongs to the last byte's piece, not to the piece that follows it.
        let end = if range.is_empty() { start } else { self.source_offset(range.end - 1) + 1 };
        Span::new(start, end)
    }
}

/// A part of a [`LogicalLine`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Slice<'a> {
    line: &'a LogicalLine,
    start: usize,
    end: usize,
}

impl<'a> Slice<'a> {
    /// The text.
    pub(crate) fn text(self) -> &'a str {
        &self.line.text[self.start..self.end]
    }

    /// Whether there is no text.
    pub(crate) fn is_empty(self) -> bool {
        self.start == self.end
    }

    /// Where it stands in the file; a slice over a continuation covers what lies between.
    pub(crate) fn span(self) -> Span {
        self.line.span(self.start..self.end)
    }

    /// The part in `range`, in bytes from this slice's start.
    pub(crate) fn sub(self, range: Range<usize>) -> Self {
        Self { start: self.start + range.start, end: self.start + range.end, ..self }
    }

    /// From byte `at` to the end.
    pub(crate) fn from(self, at: usize) -> Self {
        self.sub(at..self.text().len())
    }

    /// Without white space at both ends.
    pub(crate) fn trim(self) -> Self {
        let text = self.text();
        let start = text.len() - text.trim_start().len();
        self.sub(start..start + text.trim().len())
    }

    /// The part before the first byte in which `is_separator` holds, and the part after that run of separators.
    pub(crate) fn split_once_at(self, is_separator: fn(char) -> bool) -> (Self, Option<Self>) {
        let text = self.text();
        let Some(end) = text.find(is_separator) else { return (self, None) };
        let rest = text[end..].find(|c| !is_separator(c)).map_or(text.len(), |length| end + length);
        (self.sub(0..end), Some(self.from(rest)))
    }

    /// The parts between runs of separators; empty ones only at the ends.
    pub(crate) fn split_at_runs(self, is_separator: fn(char) -> bool) -> Vec<Self> {
        let mut parts = Vec::new();
        let mut rest = Some(self);
        while let Some(slice) = rest {
            let (part, after) = slice.split_once_at(is_separator);
            parts.push(part);
            rest = after;
        }
        parts
    }
}

/// The white space that separates the parts of an instruction; others, such as U+00A0, belong to words.
pub(crate) fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\u{b}' | '\u{c}')
}

#[cfg(test)]
mod tests {
    use super::{LogicalLine, is_blank};
    use crate::source::Span;

    #[test]
    fn spans_reach_over_continuations() {
        // "RUN a \⏎  b"
        let mut line = LogicalLine::default();
        line.push("RUN a ", 0);
        line.push("  b", 8);
        assert_eq!(line.all().text(), "RUN a   b");
        assert_eq!(line.all().sub(4..5).span(), Span::new(4, 5));
        assert_eq!(line.all().sub(8..9).span(), Span::new(10, 11));
        assert_eq!(line.all().sub(4..9).span(), Span::new(4, 11));
        assert_eq!(line.all().sub(0..6).span(), Span::new(0, 6));
    }

    #[test]
    fn splitting() {
        let mut line = LogicalLine::default();
        line.push("a  b\tc", 10);
        let parts: Vec<_> = line.all().split_at_runs(is_blank).iter().map(|part| (part.text(), part.span())).collect();
        assert_eq!(parts, [("a", Span::new(10, 11)), ("b", Span::new(13, 14)), ("c", Span::new(15, 16))]);
    }
}
