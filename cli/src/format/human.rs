//! Sizes and durations in the words that `docker` prints. Does no I/O.

/// Decimal units, as in `docker images`.
const UNITS: [&str; 6] = ["B", "kB", "MB", "GB", "TB", "PB"];
/// Binary units, as in `docker stats` and memory limits.
const BINARY_UNITS: [&str; 6] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

/// `bytes` in decimal units with three significant digits: `0B`, `4.26MB`, `133MB`.
pub(crate) fn size(bytes: u64) -> String {
    scaled(bytes, 1000.0, &UNITS, 3)
}

/// `bytes` in binary units with four significant digits: `512MiB`, `1.943GiB`.
pub(crate) fn binary_size(bytes: u64) -> String {
    scaled(bytes, 1024.0, &BINARY_UNITS, 4)
}

fn scaled(bytes: u64, base: f64, units: &[&str], digits: usize) -> String {
    let mut value = bytes as f64;
    let mut unit = 0;
    while unit + 1 < units.len() && significant(value, digits).1 >= base {
        value /= base;
        unit += 1;
    }
    significant(value, digits).0 + units[unit]
}

/// `value` with at most `digits` significant digits and no trailing zeros (C's `%.3g` below the next unit).
fn significant(value: f64, digits: usize) -> (String, f64) {
    let whole = if value < 1.0 { 1 } else { value.log10().floor() as usize + 1 };
    let text = format!("{value:.*}", digits.saturating_sub(whole));
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text };
    let rounded = text.parse().unwrap_or(value);
    (text, rounded)
}

/// A span of seconds in words: `Less than a second`, `About a minute`, `3 weeks`.
pub(crate) fn duration(seconds: i64) -> String {
    let hours = (seconds as f64 / 3600.0 + 0.5) as i64;
    match seconds {
        ..1 => "Less than a second".to_owned(),
        1 => "1 second".to_owned(),
        2..60 => format!("{seconds} seconds"),
        60..120 => "About a minute".to_owned(),
        120..3600 => format!("{} minutes", seconds / 60),
        _ if hours == 1 => "About an hour".to_owned(),
        _ if hours < 48 => format!("{hours} hours"),
        _ if hours < 24 * 7 * 2 => format!("{} days", hours / 24),
        _ if hours < 24 * 30 * 2 => format!("{} weeks", hours / 24 / 7),
        _ if hours < 24 * 365 * 2 => format!("{} months", hours / 24 / 30),
        _ => format!("{} years", hours / 24 / 365),
    }
}

/// Running time of a step: `0.3s`, `12.4s`, `2m03s`.
pub(crate) fn elapsed(duration: std::time::Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..60 => format!("{:.1}s", duration.as_secs_f64()),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h{:02}m{:02}s", seconds / 3600, seconds / 60 % 60, seconds % 60),
    }
}

/// Bytes meant by text such as `512m`, `1.5GiB` or `1000` (units are binary, as in docker's limits).
pub(crate) fn parse_size(text: &str) -> Option<u64> {
    parse_scaled(text, 1024.0)
}

/// Bytes meant by text such as `300m` or `1.5GB`, with the units that [`size`] shows; `MiB` and its like are binary.
pub(crate) fn parse_shown_size(text: &str) -> Option<u64> {
    let is_binary = text.trim().to_ascii_lowercase().ends_with("ib");
    parse_scaled(text, if is_binary { 1024.0 } else { 1000.0 })
}

fn parse_scaled(text: &str, unit_size: f64) -> Option<u64> {
    let text = text.trim();
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let power = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 1,
        "m" | "mb" | "mib" => 2,
        "g" | "gb" | "gib" => 3,
        "t" | "tb" | "tib" => 4,
        _ => return None,
    };
    let value: f64 = number.parse().ok()?;
    Some((value * unit_size.powi(power)) as u64)
}

/// Seconds meant by a Go duration such as `1h30m`, `500ms` or `10s`.
pub(crate) fn parse_duration(text: &str) -> Option<f64> {
    let mut total = 0.0;
    let mut rest = text;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let split = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(split);
        let end = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, next) = tail.split_at(end);
        let scale = match unit {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            "us" | "µs" => 1e-6,
            "ns" => 1e-9,
            _ => return None,
        };
        total += number.parse::<f64>().ok()? * scale;
        rest = next;
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use super::{binary_size, duration, elapsed, parse_duration, parse_size, size};
    use std::time::Duration;

    #[test]
    fn sizes_are_dockers() {
        for (bytes, expected) in [
            (0, "0B"),
            (999, "999B"),
            (1000, "1kB"),
            (1239, "1.24kB"),
            (4_264_551, "4.26MB"),
            (72_800_000, "72.8MB"),
            (133_456_789, "133MB"),
            (999_900, "1MB"),
            (1_200_000_000, "1.2GB"),
        ] {
            assert_eq!(size(bytes), expected, "{bytes}");
        }
        assert_eq!(binary_size(536_870_912), "512MiB");
        assert_eq!(binary_size(2_086_666_240), "1.943GiB");
    }

    #[test]
    fn durations_are_dockers() {
        for (seconds, expected) in [
            (0, "Less than a second"),
            (1, "1 second"),
            (59, "59 seconds"),
            (61, "About a minute"),
            (150, "2 minutes"),
            (3599, "59 minutes"),
            (3600, "About an hour"),
            (7200, "2 hours"),
            (3600 * 47, "47 hours"),
            (3600 * 48, "2 days"),
            (3600 * 24 * 14, "2 weeks"),
            (3600 * 24 * 61, "2 months"),
            (3600 * 24 * 365 * 3, "3 years"),
        ] {
            assert_eq!(duration(seconds), expected, "{seconds}");
        }
        assert_eq!(elapsed(Duration::from_millis(340)), "0.3s");
        assert_eq!(elapsed(Duration::from_secs(123)), "2m03s");
    }

    #[test]
    fn typed_sizes_and_durations() {
        for (text, expected) in
            [("512m", Some(536_870_912)), ("1.5g", Some(1_610_612_736)), ("100", Some(100)), ("5x", None), ("", None)]
        {
            assert_eq!(parse_size(text), expected, "{text}");
        }
        for (text, expected) in [("10s", Some(10.0)), ("1h30m", Some(5400.0)), ("500ms", Some(0.5)), ("5", None)] {
            assert_eq!(parse_duration(text), expected, "{text}");
        }
    }
}
