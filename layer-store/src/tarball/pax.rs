//! Extended headers: records `LENGTH KEY=VALUE\n`, in which a value may hold any bytes.

use crate::root::Timestamp;

/// The prefix of the keys that carry extended attributes.
pub(super) const XATTR: &[u8] = b"SCHILY.xattr.";

/// A key and its value.
pub(super) type Record<'a> = (&'a [u8], &'a [u8]);

/// Splits an extended header into its records; `None` where it is malformed.
pub(super) fn parse(mut bytes: &[u8]) -> Option<Vec<Record<'_>>> {
    let mut records = Vec::new();
    while !bytes.is_empty() && bytes[0] != 0 {
        let space = bytes.iter().position(|byte| *byte == b' ')?;
        let length: usize = parse_decimal(&bytes[..space])?;
        let record = bytes.get(space + 1..length)?;
        let (newline, record) = record.split_last()?;
        let equals = record.iter().position(|byte| *byte == b'=')?;
        if *newline != b'\n' || equals == 0 {
            return None;
        }
        records.push((&record[..equals], &record[equals + 1..]));
        bytes = &bytes[length..];
    }
    Some(records)
}

/// Appends one record.
pub(super) fn push(bytes: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let rest = key.len() + value.len() + 3;
    // The length counts its own digits.
    let mut length = rest + 1;
    while rest + length.to_string().len() != length {
        length = rest + length.to_string().len();
    }
    bytes.extend_from_slice(length.to_string().as_bytes());
    bytes.push(b' ');
    bytes.extend_from_slice(key);
    bytes.push(b'=');
    bytes.extend_from_slice(value);
    bytes.push(b'\n');
}

pub(super) fn parse_decimal<T: std::str::FromStr>(bytes: &[u8]) -> Option<T> {
    let text = str::from_utf8(bytes).ok()?;
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

/// A time such as `1700000000.25` or `-1.5`; digits past nanoseconds are dropped.
pub(super) fn parse_time(bytes: &[u8]) -> Option<Timestamp> {
    let text = str::from_utf8(bytes).ok()?;
    let (magnitude, negative) = text.strip_prefix('-').map_or((text, false), |rest| (rest, true));
    let (whole, fraction) = magnitude.split_once('.').unwrap_or((magnitude, ""));
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let seconds: i64 = parse_decimal(whole.as_bytes())?;
    let digits: String = fraction.chars().chain("000000000".chars()).take(9).collect();
    let nanoseconds: u32 = digits.parse().ok()?;
    Some(match (negative, nanoseconds) {
        (false, _) => Timestamp { seconds, nanoseconds },
        (true, 0) => Timestamp { seconds: -seconds, nanoseconds },
        // A fraction counts forward from the second below.
        (true, _) => Timestamp { seconds: -seconds - 1, nanoseconds: 1_000_000_000 - nanoseconds },
    })
}

#[cfg(test)]
mod tests {
    use super::{Timestamp, parse, parse_time, push};

    #[test]
    fn records_round_trip_with_any_bytes_and_lengths() {
        for size in [0, 1, 80, 88, 89, 90, 91, 92, 93, 980, 985, 990, 9990] {
            let value = vec![b'\n'; size];
            let mut bytes = Vec::new();
            push(&mut bytes, b"SCHILY.xattr.user.a", &value);
            push(&mut bytes, b"path", b"x=y\0");
            let records = parse(&bytes).unwrap();
            assert_eq!(records, [(&b"SCHILY.xattr.user.a"[..], &value[..]), (b"path", b"x=y\0")], "{size}");
        }
        for wrong in
            ["5 a=b", "6 a=b", "7 a=b\n", "5 ab\n", "x a=b\n", "0 a=b\n", "99999999999999999999 a=b\n", "6 =ab\n"]
        {
            assert!(parse(wrong.as_bytes()).is_none(), "{wrong:?}");
        }
    }

    #[test]
    fn times_count_forward_from_the_second_below() {
        for (text, seconds, nanoseconds) in
            [("0", 0, 0), ("12.5", 12, 500_000_000), ("1.0000000019", 1, 1), ("-1", -1, 0), ("-1.25", -2, 750_000_000)]
        {
            assert_eq!(parse_time(text.as_bytes()), Some(Timestamp { seconds, nanoseconds }), "{text}");
        }
        for wrong in ["", ".", "1.x", "--1", "+1", " 1"] {
            assert_eq!(parse_time(wrong.as_bytes()), None, "{wrong}");
        }
    }
}
