//! The signals that `STOPSIGNAL` knows, by name or number.

const NAMES: [&str; 35] = [
    "ABRT", "ALRM", "BUS", "CHLD", "CLD", "CONT", "FPE", "HUP", "ILL", "INT", "IO", "IOT", "KILL", "PIPE", "POLL",
    "PROF", "PWR", "QUIT", "SEGV", "STKFLT", "STOP", "SYS", "TERM", "TRAP", "TSTP", "TTIN", "TTOU", "URG", "USR1",
    "USR2", "VTALRM", "WINCH", "XCPU", "XFSZ", "RTMIN",
];

/// Whether `text` is a signal: a number that is not zero, or a name with or without `SIG`.
pub(crate) fn is_signal(text: &str) -> bool {
    if let Ok(number) = text.parse::<i64>() {
        return number != 0;
    }
    let name = text.to_ascii_uppercase();
    let name = name.strip_prefix("SIG").unwrap_or(&name);
    NAMES.contains(&name) || name == "RTMAX" || is_real_time(name)
}

/// `RTMIN+1` to `RTMIN+15` and `RTMAX-14` to `RTMAX-1`.
fn is_real_time(name: &str) -> bool {
    let within = |rest: &str, limit| {
        !rest.starts_with('0') && rest.bytes().all(|c| c.is_ascii_digit()) && rest.parse().is_ok_and(|n: u8| n <= limit)
    };
    name.strip_prefix("RTMIN+").is_some_and(|rest| within(rest, 15))
        || name.strip_prefix("RTMAX-").is_some_and(|rest| within(rest, 14))
}

/// The names, for suggestions.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    NAMES.into_iter()
}

#[cfg(test)]
mod tests {
    use super::is_signal;

    #[test]
    fn signals() {
        for text in ["SIGTERM", "term", "sigkill", "9", "64", "RTMIN", "SIGRTMIN+3", "RTMAX-14", "SIGRTMAX"] {
            assert!(is_signal(text), "{text}");
        }
        for text in ["", "0", "SIGNOPE", "RTMIN+16", "RTMIN+", "RTMAX-15", "SIG"] {
            assert!(!is_signal(text), "{text}");
        }
    }
}
