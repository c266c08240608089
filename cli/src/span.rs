//! Times that are typed: a date, seconds since 1970, or a span of time before now.

use jiff::{SignedDuration, Timestamp};

use crate::format::human;
use crate::problem::Problem;

/// The time that `text` means: RFC 3339 (the time of day and zone may be left out), seconds, or `10m` before `now`.
///
/// # Errors
/// It means none.
pub(crate) fn time(text: &str, now: Timestamp) -> Result<Timestamp, Problem> {
    let unusable = || {
        Problem::usage(format!("`{text}` is not a time"))
            .hint("write a date (2026-01-31T12:00:00Z), seconds since 1970, or a span such as 10m or 24h")
    };
    if let Ok(time) = text.parse() {
        return Ok(time);
    }
    if let Ok(time) = format!("{text}Z").parse().or_else(|_| format!("{text}T00:00:00Z").parse()) {
        return Ok(time);
    }
    if let Ok(seconds) = text.parse::<f64>() {
        let duration = SignedDuration::try_from_secs_f64(seconds).map_err(|_| unusable())?;
        return Timestamp::UNIX_EPOCH.checked_add(duration).map_err(|_| unusable());
    }
    let seconds = human::parse_duration(text).ok_or_else(unusable)?;
    let duration = SignedDuration::try_from_secs_f64(seconds).map_err(|_| unusable())?;
    now.checked_sub(duration).map_err(|_| unusable())
}

#[cfg(test)]
mod tests {
    use super::time;
    use jiff::Timestamp;

    #[test]
    fn typed_times() {
        let now: Timestamp = "2026-01-02T00:00:00Z".parse().unwrap();
        for (text, expected) in [
            ("2026-01-01T10:00:00Z", Some("2026-01-01T10:00:00Z")),
            ("2026-01-01T10:00:00", Some("2026-01-01T10:00:00Z")),
            ("2026-01-01", Some("2026-01-01T00:00:00Z")),
            ("24h", Some("2026-01-01T00:00:00Z")),
            ("1767225600", Some("2026-01-01T00:00:00Z")),
            ("soon", None),
        ] {
            let expected = expected.map(|text| text.parse().unwrap());
            assert_eq!(time(text, now).ok(), expected, "{text}");
        }
    }
}
