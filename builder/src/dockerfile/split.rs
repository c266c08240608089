//! The first cut through a statement: keyword, flags, and the rest.

use super::json_form::{self, JsonForm};
use super::line::{Slice, is_blank};
use super::word::Escape;
use crate::source::Span;

/// A flag as it is written: `--name[=value]`, quotes and escapes taken off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RawFlag {
    /// With the dashes.
    pub(crate) text: String,
    /// Where it stands.
    pub(crate) span: Span,
    /// Whether the text is what the file says, byte by byte, so that parts of it have spans of their own.
    pub(crate) verbatim: bool,
}

/// A statement in its parts.
#[derive(Debug)]
pub(crate) struct Split<'a> {
    /// As written.
    pub(crate) keyword: Slice<'a>,
    pub(crate) flags: Vec<RawFlag>,
    /// Everything after the flags, trimmed.
    pub(crate) rest: Slice<'a>,
}

impl<'a> Split<'a> {
    /// Cuts `line`.
    pub(crate) fn new(line: Slice<'a>, escape: Escape) -> Self {
        let line = line.trim();
        let (keyword, rest) = line.split_once_at(is_blank);
        let rest = rest.unwrap_or(line.from(line.text().len()));
        let (flags, rest) = flags(rest, escape.char());
        Self { keyword, flags, rest: rest.trim() }
    }

    /// Whether `<<` in the rest opens heredocs: only the shell forms of three instructions, and `ONBUILD` of these.
    pub(crate) fn can_open_heredocs(&self, escape: Escape) -> bool {
        match self.keyword.text().to_ascii_uppercase().as_str() {
            "RUN" | "COPY" | "ADD" => json_form::read(self.rest) == JsonForm::NotJson,
            "ONBUILD" => {
                let trigger = Split::new(self.rest, escape);
                !trigger.keyword.text().eq_ignore_ascii_case("ONBUILD") && trigger.can_open_heredocs(escape)
            }
            _ => false,
        }
    }
}

/// Takes the words that begin with `--` off the start of `line`; a lone `--` ends them and goes.
fn flags(line: Slice<'_>, escape: char) -> (Vec<RawFlag>, Slice<'_>) {
    let mut flags = Vec::new();
    let mut rest = line;
    loop {
        rest = rest.from(rest.text().len() - rest.text().trim_start().len());
        if !rest.text().starts_with("--") {
            return (flags, rest);
        }
        let (text, length) = flag(rest.text(), escape);
        let written = rest.sub(0..length);
        rest = rest.from(length);
        if text == "--" {
            return (flags, rest);
        }
        let span = written.span();
        let verbatim = text == written.text() && span.end - span.start == length;
        flags.push(RawFlag { text, span, verbatim });
    }
}

/// The flag at the start of `text` and how many bytes it takes.
fn flag(text: &str, escape: char) -> (String, usize) {
    let mut out = String::new();
    let mut quote = None;
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        if quote == Some(c) {
            quote = None;
        } else if quote.is_none() && c.is_whitespace() {
            return (out, at);
        } else if quote.is_none() && matches!(c, '\'' | '"') {
            quote = Some(c);
        } else if c == escape {
            out.extend(chars.next().map(|(_, escaped)| escaped));
        } else {
            out.push(c);
        }
    }
    (out, text.len())
}

/// Splits at white space outside quotes and keeps the quotes: the words of `ENV`, `LABEL` and `ARG`.
pub(crate) fn quoted_words(line: Slice<'_>, escape: Escape) -> Vec<Slice<'_>> {
    let escape = escape.char();
    let mut words = Vec::new();
    let mut start = None;
    let mut quote = None;
    let mut chars = line.text().char_indices();
    while let Some((at, c)) = chars.next() {
        if quote.is_none() && c.is_whitespace() {
            words.extend(start.take().map(|start| line.sub(start..at)));
            continue;
        }
        start.get_or_insert(at);
        match quote {
            _ if c == escape && quote != Some('\'') => {
                chars.next();
            }
            Some(open) if c == open => quote = None,
            None if matches!(c, '\'' | '"') => quote = Some(c),
            _ => {}
        }
    }
    words.extend(start.map(|start| line.from(start)));
    words
}

#[cfg(test)]
mod tests {
    use super::{Split, quoted_words};
    use crate::dockerfile::line::LogicalLine;
    use crate::dockerfile::word::Escape;

    fn check(text: &str, keyword: &str, flags: &[&str], rest: &str) {
        let mut line = LogicalLine::default();
        line.push(text, 0);
        let split = Split::new(line.all(), Escape::Backslash);
        let found: Vec<_> = split.flags.iter().map(|flag| flag.text.as_str()).collect();
        assert_eq!((split.keyword.text(), found.as_slice(), split.rest.text()), (keyword, flags, rest), "{text}");
    }

    #[test]
    fn flags_come_first() {
        check("RUN a --b", "RUN", &[], "a --b");
        check("RUN --a=1  --b c", "RUN", &["--a=1", "--b"], "c");
        check("RUN --a='x y' --b=\"p\\\"q\" -c", "RUN", &["--a=x y", "--b=p\"q"], "-c");
        check("RUN --a=x\\ y z", "RUN", &["--a=x y"], "z");
        check("RUN -- --a", "RUN", &[], "--a");
        check("RUN --", "RUN", &[], "");
        check("RUN --a=\"open x", "RUN", &["--a=open x"], "");
        check("RUN", "RUN", &[], "");
        check("RUN\ta  ", "RUN", &[], "a");
    }

    #[test]
    fn words_keep_their_quotes() {
        for (text, expected) in [
            ("a=1 b=\"x y\" c='p q'", vec!["a=1", "b=\"x y\"", "c='p q'"]),
            (r"a=x\ y b", vec![r"a=x\ y", "b"]),
            (r#"a="x\" y" b"#, vec![r#"a="x\" y""#, "b"]),
            (r"a='x\' b", vec![r"a='x\'", "b"]),
            ("a=\"open b", vec!["a=\"open b"]),
            ("", vec![]),
        ] {
            let mut line = LogicalLine::default();
            line.push(text, 0);
            let found: Vec<_> = quoted_words(line.all(), Escape::Backslash).iter().map(|word| word.text()).collect();
            assert_eq!(found, expected, "{text}");
        }
    }
}
