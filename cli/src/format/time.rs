//! Times of images and containers relative to now. The clock is read by the caller's `now`.

use jiff::Timestamp;

use super::human;

/// Years that only stand for "no time", as images of some builders carry them.
const NO_TIME_BEFORE: i64 = 0;

/// Whole seconds from the RFC 3339 time `then` to `now`; none if it is no time.
pub(crate) fn seconds_since(then: &str, now: Timestamp) -> Option<i64> {
    let then: Timestamp = then.parse().ok()?;
    Some(now.as_second() - then.as_second())
}

/// `2 hours ago`; `N/A` if `then` is missing or stands for no time.
pub(crate) fn ago(then: Option<&str>, now: Timestamp) -> String {
    let parsed = then.and_then(|then| then.parse::<Timestamp>().ok());
    match parsed {
        Some(then) if then.as_second() > NO_TIME_BEFORE => {
            format!("{} ago", human::duration(now.as_second() - then.as_second()))
        }
        _ => "N/A".to_owned(),
    }
}

/// `2026-01-02 03:04:05 +0000 UTC`, the form of `{{.CreatedAt}}`.
pub(crate) fn calendar(then: &str) -> String {
    match then.parse::<Timestamp>() {
        Ok(then) => then.strftime("%Y-%m-%d %H:%M:%S +0000 UTC").to_string(),
        Err(_) => "N/A".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{ago, calendar, seconds_since};
    use jiff::Timestamp;

    #[test]
    fn times_are_told_as_docker_does() {
        let now: Timestamp = "2026-03-01T12:00:00Z".parse().unwrap();
        assert_eq!(ago(Some("2026-03-01T10:00:00.5Z"), now), "2 hours ago");
        assert_eq!(ago(Some("0001-01-01T00:00:00Z"), now), "N/A");
        assert_eq!(ago(Some("1970-01-01T00:00:00Z"), now), "N/A");
        assert_eq!(ago(None, now), "N/A");
        assert_eq!(seconds_since("2026-03-01T11:59:00Z", now), Some(60));
        assert_eq!(calendar("2026-03-01T11:59:00+01:00"), "2026-03-01 10:59:00 +0000 UTC");
    }
}
