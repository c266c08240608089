//! Signals by name and number, as `docker kill`, `STOPSIGNAL` and `trap` spell them. signal(7).

use std::fmt;
use std::str::FromStr;

use crate::error::Error;

/// Names in the order of their numbers on Linux (x86 and ARM), from 1, without the prefix `SIG`.
const NAMES: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM", "TERM",
    "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO",
    "PWR", "SYS",
];

/// The first and the last real-time signal that a program can use.
const RTMIN: i32 = 34;
const RTMAX: i32 = 64;

/// A signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Signal(i32);

impl Signal {
    /// SIGHUP.
    pub const HUP: Self = Self(1);
    /// SIGINT.
    pub const INT: Self = Self(2);
    /// SIGQUIT.
    pub const QUIT: Self = Self(3);
    /// SIGKILL.
    pub const KILL: Self = Self(9);
    /// SIGTERM.
    pub const TERM: Self = Self(15);
    /// SIGWINCH.
    pub const WINCH: Self = Self(28);

    /// The signal of a number from 1 to 64.
    #[must_use]
    pub fn from_number(number: i32) -> Option<Self> {
        (1..=RTMAX).contains(&number).then_some(Self(number))
    }

    /// Its number.
    #[must_use]
    pub fn number(self) -> i32 {
        self.0
    }
}

impl FromStr for Signal {
    type Err = Error;

    /// Reads `TERM`, `sigterm`, `15`, `RTMIN+3` or `RTMAX-1`.
    fn from_str(text: &str) -> Result<Self, Error> {
        let upper = text.to_ascii_uppercase();
        let bare = upper.strip_prefix("SIG").unwrap_or(&upper);
        let named = NAMES.iter().position(|name| *name == bare).map(|index| index as i32 + 1);
        let number = named.or_else(|| upper.parse().ok()).or_else(|| real_time(bare));
        number.and_then(Self::from_number).ok_or_else(|| Error::InvalidValue { what: "signal", value: text.to_owned() })
    }
}

fn real_time(name: &str) -> Option<i32> {
    let offset = |rest: &str| {
        if rest.is_empty() { Some(0) } else { rest.parse::<i32>().ok() }
    };
    let number = match (name.strip_prefix("RTMIN"), name.strip_prefix("RTMAX")) {
        (Some(rest), _) => RTMIN + offset(rest)?,
        (_, Some(rest)) => RTMAX + offset(rest)?,
        _ => return None,
    };
    (RTMIN..=RTMAX).contains(&number).then_some(number)
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match usize::try_from(self.0 - 1).ok().and_then(|index| NAMES.get(index)) {
            Some(name) => write!(f, "SIG{name}"),
            None => write!(f, "SIGRTMIN+{}", self.0 - RTMIN),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Signal;

    #[test]
    fn signals_are_read_in_every_spelling() {
        for (text, number) in [
            ("TERM", 15),
            ("SIGTERM", 15),
            ("sigkill", 9),
            ("9", 9),
            ("SIGRTMIN+3", 37),
            ("RTMAX", 64),
            ("RTMAX-1", 63),
            ("WINCH", 28),
            ("SYS", 31),
        ] {
            assert_eq!(text.parse::<Signal>().unwrap().number(), number, "{text}");
        }
        for text in ["", "SIG", "0", "65", "-1", "RTMIN-1", "RTMAX+1", "NONSENSE"] {
            assert!(text.parse::<Signal>().is_err(), "{text}");
        }
        for number in 1..=31 {
            let signal = Signal::from_number(number).unwrap();
            assert_eq!(signal.to_string().parse::<Signal>().unwrap(), signal);
        }
        assert_eq!(Signal::from_number(37).unwrap().to_string(), "SIGRTMIN+3");
    }
}
