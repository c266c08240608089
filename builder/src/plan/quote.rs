//! Texts as history shows them: Go's `%q` and `%v` of lists.

/// `text` in double quotes, escaped as Go's `strconv.Quote` does.
pub(crate) fn quote(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{b}' => out.push_str("\\v"),
            c if c < ' ' || c == '\u{7f}' => out.push_str(&format!("\\x{:02x}", c as u32)),
            c if is_printable(c) => out.push(c),
            c if (c as u32) < 0x10000 => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push_str(&format!("\\U{:08x}", c as u32)),
        }
    }
    out.push('"');
    out
}

/// Go's `%q` of a list of texts: `["a" "b"]`.
pub(crate) fn quote_list(list: &[String]) -> String {
    format!("[{}]", list.iter().map(|text| quote(text)).collect::<Vec<_>>().join(" "))
}

/// Go's `%v` of a list of texts: `[a b]`.
pub(crate) fn plain_list(list: &[String]) -> String {
    format!("[{}]", list.join(" "))
}

/// A combining mark is printable after another character, which is where texts have them.
fn is_printable(c: char) -> bool {
    let text = format!("x{c}");
    !text.escape_debug().to_string().starts_with("x\\u")
}

#[cfg(test)]
mod tests {
    use super::{plain_list, quote, quote_list};

    #[test]
    fn quoted_as_go_does() {
        for (text, expected) in [
            ("a b", "\"a b\""),
            ("a\"b\\c\n\t", "\"a\\\"b\\\\c\\n\\t\""),
            ("é한\u{301}", "\"é한\u{301}\""),
            ("\u{1}\u{7f}\u{a0}\u{200b}", "\"\\x01\\x7f\\u00a0\\u200b\""),
            ("'", "\"'\""),
        ] {
            assert_eq!(quote(text), expected);
        }
        let list = ["sh".to_owned(), "a b".to_owned()];
        assert_eq!(quote_list(&list), "[\"sh\" \"a b\"]");
        assert_eq!(plain_list(&list), "[sh a b]");
    }
}
