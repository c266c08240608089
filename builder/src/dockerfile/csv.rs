//! One record of comma-separated values: fields may be in double quotes, a doubled quote stands for itself.

use std::ops::Range;

/// A field's value and the bytes it was read from.
pub type Field = (String, Range<usize>);

/// Reads the fields of `text`; the error is what is wrong with it.
///
/// # Errors
/// A quote is out of its place.
pub fn fields(text: &str) -> Result<Vec<Field>, &'static str> {
    let mut fields = Vec::new();
    let mut at = 0;
    loop {
        let (value, end) = if text[at..].starts_with('"') { quoted(text, at)? } else { plain(text, at)? };
        fields.push((value, at..end));
        if end == text.len() {
            return Ok(fields);
        }
        at = end + 1;
    }
}

fn plain(text: &str, start: usize) -> Result<(String, usize), &'static str> {
    let end = text[start..].find(',').map_or(text.len(), |length| start + length);
    match &text[start..end] {
        field if field.contains('"') => Err("a quote stands inside a field that does not begin with one"),
        field => Ok((field.to_owned(), end)),
    }
}

fn quoted(text: &str, start: usize) -> Result<(String, usize), &'static str> {
    let mut value = String::new();
    let mut at = start + 1;
    loop {
        let Some(length) = text[at..].find('"') else { return Err("a quoted field is never closed") };
        value.push_str(&text[at..at + length]);
        at += length + 1;
        match text[at..].chars().next() {
            Some('"') => {
                value.push('"');
                at += 1;
            }
            None | Some(',') => return Ok((value, at)),
            Some(_) => return Err("text follows the closing quote of a field"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::fields;

    #[test]
    fn records() {
        for (text, expected) in [
            ("a=1,b", Some(vec!["a=1", "b"])),
            ("a,,b,", Some(vec!["a", "", "b", ""])),
            (r#""a,b",c"#, Some(vec!["a,b", "c"])),
            (r#""a""b""#, Some(vec!["a\"b"])),
            (r#"a"b"#, None),
            (r#""a"#, None),
            (r#""a"b"#, None),
        ] {
            let found = fields(text).ok().map(|fields| fields.into_iter().map(|field| field.0).collect::<Vec<_>>());
            assert_eq!(found, expected.map(|fields| fields.into_iter().map(str::to_owned).collect()), "{text}");
        }
    }
}
