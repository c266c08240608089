//! Durations as `HEALTHCHECK` writes them: Go's `time.ParseDuration`, such as `1h30m`, `1.5s`, `300ms`.

/// Nanoseconds in the units, longest spelling first.
const UNITS: [(&str, f64); 8] =
    [("ns", 1.0), ("us", 1e3), ("µs", 1e3), ("μs", 1e3), ("ms", 1e6), ("s", 1e9), ("m", 60e9), ("h", 3600e9)];

/// The duration `text` in nanoseconds, if it is one that fits.
pub(crate) fn parse(text: &str) -> Option<i64> {
    let (sign, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, after) = rest.split_at(digits);
        let unit = UNITS.iter().find(|(name, _)| {
            after
                .strip_prefix(name)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(|c: char| c.is_ascii_digit() || c == '.'))
        })?;
        if number == "." {
            return None;
        }
        total += number.parse::<f64>().ok()? * unit.1;
        rest = &after[unit.0.len()..];
    }
    let total = sign * total;
    // Beyond this a float no longer holds every nanosecond, and Go's own type is near its end.
    (total.abs() < i64::MAX as f64).then_some(total.round() as i64)
}

/// `nanoseconds` as Go prints a duration: `1h0m0s`, `1.5s`, `300ms`, `0s`.
pub(crate) fn format(nanoseconds: i64) -> String {
    let sign = if nanoseconds < 0 { "-" } else { "" };
    let value = nanoseconds.unsigned_abs();
    if value == 0 {
        return "0s".to_owned();
    }
    let below_a_second = [("ns", 1u64), ("µs", 1_000), ("ms", 1_000_000)];
    if value < 1_000_000_000 {
        let (unit, scale) = below_a_second.into_iter().rfind(|(_, scale)| value >= *scale).unwrap_or(("ns", 1));
        return format!("{sign}{}{unit}", decimal(value, scale));
    }
    let (minutes, rest) = (value / 60_000_000_000, value % 60_000_000_000);
    let seconds = decimal(rest, 1_000_000_000);
    match (minutes / 60, minutes % 60) {
        (0, 0) => format!("{sign}{seconds}s"),
        (0, minutes) => format!("{sign}{minutes}m{seconds}s"),
        (hours, minutes) => format!("{sign}{hours}h{minutes}m{seconds}s"),
    }
}

fn decimal(value: u64, scale: u64) -> String {
    let digits = scale.ilog10() as usize;
    let fraction = format!("{:0digits$}", value % scale);
    match fraction.trim_end_matches('0') {
        "" => (value / scale).to_string(),
        fraction => format!("{}.{fraction}", value / scale),
    }
}

#[cfg(test)]
mod tests {
    use super::{format, parse};

    #[test]
    fn durations() {
        for (text, expected) in [
            ("0", Some(0)),
            ("5s", Some(5_000_000_000)),
            ("1h30m", Some(5_400_000_000_000)),
            ("1.5s", Some(1_500_000_000)),
            (".5s", Some(500_000_000)),
            ("300ms", Some(300_000_000)),
            ("1µs", Some(1_000)),
            ("-1s", Some(-1_000_000_000)),
            ("+1s", Some(1_000_000_000)),
            ("", None),
            ("5", None),
            ("s", None),
            (".s", None),
            ("5x", None),
            ("1s 2m", None),
            ("999999999h", None),
        ] {
            assert_eq!(parse(text), expected, "{text}");
        }
    }

    #[test]
    fn printed_as_go_does() {
        for (value, expected) in [
            (0, "0s"),
            (5_000_000_000, "5s"),
            (300_000_000_000, "5m0s"),
            (5_400_000_000_000, "1h30m0s"),
            (1_500_000_000, "1.5s"),
            (300_000_000, "300ms"),
            (1_500, "1.5µs"),
            (7, "7ns"),
            (-1_000_000_000, "-1s"),
        ] {
            assert_eq!(format(value), expected);
        }
    }
}
