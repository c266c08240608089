//! The exec form: a JSON array of strings. A text that is no valid JSON array is a shell form instead.

use serde::de::IgnoredAny;

use super::line::Slice;
use crate::source::{Span, Spanned};

/// What an argument text turns out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum JsonForm {
    /// An array of strings.
    Strings(Vec<Spanned<String>>),
    /// A valid array, but of other things too; the span is the first of these.
    NotStrings(Span),
    /// Not an array.
    NotJson,
}

/// Reads the whole of `text` as an array.
pub(crate) fn read(text: Slice<'_>) -> JsonForm {
    let text = text.trim();
    if !text.text().starts_with('[') {
        return JsonForm::NotJson;
    }
    let mut reader = Reader { text, at: 1, strings: Vec::new(), other: None };
    match (reader.array(), reader.other) {
        (None, _) => JsonForm::NotJson,
        (Some(()), Some(span)) => JsonForm::NotStrings(span),
        (Some(()), None) => JsonForm::Strings(reader.strings),
    }
}

struct Reader<'a> {
    text: Slice<'a>,
    at: usize,
    strings: Vec<Spanned<String>>,
    other: Option<Span>,
}

impl Reader<'_> {
    fn rest(&self) -> &str {
        &self.text.text()[self.at..]
    }

    fn skip_space(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start_matches([' ', '\t', '\r', '\n']).len();
    }

    fn take(&mut self, wanted: char) -> bool {
        let found = self.rest().starts_with(wanted);
        self.at += usize::from(found);
        found
    }

    /// Reads the elements and the closing bracket, after which the text must end.
    fn array(&mut self) -> Option<()> {
        self.skip_space();
        if !self.take(']') {
            loop {
                self.skip_space();
                self.element()?;
                self.skip_space();
                if self.take(']') {
                    break;
                }
                self.take(',').then_some(())?;
            }
        }
        self.rest().is_empty().then_some(())
    }

    fn element(&mut self) -> Option<()> {
        let start = self.at;
        if self.rest().starts_with('"') {
            let value = self.string()?;
            self.strings.push(Spanned::new(value, self.text.sub(start..self.at).span()));
            return Some(());
        }
        let mut values = serde_json::Deserializer::from_str(self.rest()).into_iter::<IgnoredAny>();
        values.next()?.ok()?;
        let length = values.byte_offset();
        self.at += length;
        self.other.get_or_insert(self.text.sub(start..self.at).span());
        Some(())
    }

    fn string(&mut self) -> Option<String> {
        let text = self.text.text();
        let body = self.at + 1;
        let mut end = body;
        loop {
            match *text.as_bytes().get(end)? {
                b'"' => break,
                b'\\' => end += 2,
                byte if byte < 0x20 => return None,
                _ => end += 1,
            }
        }
        let value = unescape(text.get(body..end)?)?;
        self.at = end + 1;
        Some(value)
    }
}

/// Undoes JSON's escapes. Half a surrogate pair becomes U+FFFD, as Go does it.
fn unescape(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        out.push(match chars.next()? {
            c @ ('"' | '\\' | '/') => c,
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => unicode(&mut chars)?,
            _ => return None,
        });
    }
    Some(out)
}

fn unicode(chars: &mut std::str::Chars<'_>) -> Option<char> {
    let first = hex(chars)?;
    if (0xd800..0xdc00).contains(&first) {
        let mut ahead = chars.clone();
        if ahead.next() == Some('\\') && ahead.next() == Some('u') {
            let second = hex(&mut ahead)?;
            if (0xdc00..0xe000).contains(&second) {
                *chars = ahead;
                return char::from_u32(0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00));
            }
        }
    }
    Some(char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER))
}

fn hex(chars: &mut std::str::Chars<'_>) -> Option<u32> {
    (0..4).try_fold(0, |value, _| Some(value * 16 + chars.next()?.to_digit(16)?))
}

#[cfg(test)]
mod tests {
    use super::{JsonForm, read};
    use crate::dockerfile::line::LogicalLine;

    fn form(text: &str) -> JsonForm {
        let mut line = LogicalLine::default();
        line.push(text, 0);
        read(line.all())
    }

    fn check(text: &str, expected: &[&str]) {
        let JsonForm::Strings(strings) = form(text) else { panic!("{text} is no array of strings") };
        assert_eq!(strings.into_iter().map(|string| string.value).collect::<Vec<_>>(), expected, "{text}");
    }

    #[test]
    fn arrays_of_strings() {
        check("[]", &[]);
        check(r#" [ "a" , "b c" ] "#, &["a", "b c"]);
        check(r#"["\"\\\/\b\f\n\r\tA"]"#, &["\"\\/\u{8}\u{c}\n\r\tA"]);
        check(r#"["😀\ud800x"]"#, &["😀\u{fffd}x"]);
        check(r#"["é"]"#, &["é"]);
    }

    #[test]
    fn other_things() {
        for text in [
            r#"['a']"#,
            r#"["a",]"#,
            r#"["a" "b"]"#,
            r#"["a""#,
            r#"["a"] x"#,
            r#"["\q"]"#,
            "[ -f x ]",
            "[",
            r#"["\"#,
            "a",
        ] {
            assert_eq!(form(text), JsonForm::NotJson, "{text}");
        }
        for text in [r#"["a", 1]"#, "[[]]", r#"[{"a": [1]}]"#, "[null]", "[1.5e3, true]"] {
            assert!(matches!(form(text), JsonForm::NotStrings(_)), "{text}");
        }
    }
}
