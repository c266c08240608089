//! Sizes such as `size=64m`: powers of 1024, as Docker reads sizes of memory.

/// The number of bytes that `text` stands for.
pub(crate) fn parse(text: &str) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let number: f64 = number.parse().ok()?;
    let unit = unit.strip_prefix(' ').unwrap_or(unit).to_ascii_lowercase();
    let exponent = match unit.as_str() {
        "" | "b" => 0,
        unit => {
            let (prefix, rest) = unit.split_at(1);
            if !matches!(rest, "" | "b" | "ib" | "i") {
                return None;
            }
            "kmgtp".find(prefix)? as u32 + 1
        }
    };
    Some((number * 1024f64.powi(exponent as i32)) as u64)
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn sizes() {
        for (text, expected) in [
            ("0", Some(0)),
            ("10", Some(10)),
            ("1k", Some(1024)),
            ("1.5 KiB", Some(1536)),
            ("64m", Some(67_108_864)),
            ("1gb", Some(1_073_741_824)),
            ("", None),
            ("m", None),
            ("1x", None),
            ("-1", None),
            ("1mm", None),
        ] {
            assert_eq!(parse(text), expected, "{text}");
        }
    }
}
