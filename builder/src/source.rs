//! The text that is built from: a named file, places in it, and spans of bytes.
//!
//! A file is kept as it was read; a byte order mark and line ends of two bytes are part of it, so that an offset
//! is an offset in the file.

use std::fmt;
use std::ops::Range;

use serde::Serialize;

/// A stretch of a [`SourceFile`], in bytes from its start; `end` is the first byte after it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize)]
pub struct Span {
    /// Offset of the first byte.
    pub start: usize,
    /// Offset of the first byte after the stretch.
    pub end: usize,
}

impl Span {
    /// The stretch from `start` up to but not including `end`.
    pub fn new(start: usize, end: usize) -> Self {
        Self { start, end: end.max(start) }
    }

    /// The shortest stretch that holds both.
    pub fn to(self, other: Span) -> Self {
        Self::new(self.start.min(other.start), self.end.max(other.end))
    }

    /// Whether `other` lies in this stretch.
    pub fn contains(self, other: Span) -> bool {
        self.start <= other.start && other.end <= self.end
    }

    /// The same stretch as a range.
    pub fn range(self) -> Range<usize> {
        self.start..self.end
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.start, self.end)
    }
}

/// A value and the text that it was read from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Spanned<T> {
    /// What was read.
    pub value: T,
    /// Where it stands.
    pub span: Span,
}

impl<T> Spanned<T> {
    /// `value`, read from `span`.
    pub fn new(value: T, span: Span) -> Self {
        Self { value, span }
    }
}

/// A place as people count it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Position {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

/// A file of text, by the name that messages call it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    name: String,
    text: String,
    line_starts: Vec<usize>,
    first_invalid_byte: Option<usize>,
}

impl SourceFile {
    /// Takes the content of the file called `name`. Bytes that are not UTF-8 become U+FFFD, as in the image's
    /// config they must, and [`first_invalid_byte`](Self::first_invalid_byte) tells where.
    pub fn new(name: impl Into<String>, content: impl AsRef<[u8]>) -> Self {
        let bytes = content.as_ref();
        let first_invalid_byte = std::str::from_utf8(bytes).err().map(|error| error.valid_up_to());
        let text = bytes.utf8_chunks().fold(String::with_capacity(bytes.len()), |mut text, chunk| {
            text.push_str(chunk.valid());
            // One for each byte, as the reference has it.
            text.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
            text
        });
        let line_starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { name: name.into(), text, line_starts, first_invalid_byte }
    }

    /// What messages call the file.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The content.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Where the content stops being UTF-8, if it does.
    pub fn first_invalid_byte(&self) -> Option<usize> {
        self.first_invalid_byte
    }

    /// The text of `span`, which must come from this file.
    pub fn slice(&self, span: Span) -> &str {
        self.text.get(span.range()).unwrap_or("")
    }

    /// The line, from 1, that the byte at `offset` stands in.
    pub fn line(&self, offset: usize) -> usize {
        self.line_starts.partition_point(|start| *start <= offset).max(1)
    }

    /// Line and column of the byte at `offset`.
    pub fn position(&self, offset: usize) -> Position {
        let line = self.line(offset);
        let start = self.line_starts[line - 1];
        let column = self.text.get(start..offset).map_or(1, |before| before.chars().count() + 1);
        Position { line, column }
    }

    /// The lines, from 1, that `span` touches, both ends included.
    pub fn lines(&self, span: Span) -> (usize, usize) {
        (self.line(span.start), self.line(span.end.saturating_sub(1).max(span.start)))
    }

    /// The text of line `line`, from 1, without its end.
    pub fn line_text(&self, line: usize) -> &str {
        let Some(start) = line.checked_sub(1).and_then(|index| self.line_starts.get(index)) else { return "" };
        let end = self.line_starts.get(line).copied().unwrap_or(self.text.len());
        self.text[*start..end].trim_end_matches(['\n', '\r'])
    }
}

#[cfg(test)]
mod tests {
    use super::{Position, SourceFile, Span};

    #[test]
    fn offsets_become_lines_and_columns() {
        let file = SourceFile::new("Dockerfile", "a\r\nbé c\n");
        for (offset, line, column) in [(0, 1, 1), (1, 1, 2), (3, 2, 1), (6, 2, 3), (9, 3, 1), (99, 3, 1)] {
            assert_eq!(file.position(offset), Position { line, column }, "{offset}");
        }
        assert_eq!(file.lines(Span::new(0, 3)), (1, 1));
        assert_eq!(file.line_text(2), "bé c");
        assert_eq!(file.slice(Span::new(3, 6)), "bé");
    }

    #[test]
    fn bytes_that_are_no_text_are_replaced_and_told() {
        let file = SourceFile::new("Dockerfile", b"# \xff\n");
        assert_eq!(file.text(), "# \u{fffd}\n");
        assert_eq!(file.first_invalid_byte(), Some(2));
    }
}
