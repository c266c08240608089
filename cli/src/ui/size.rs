//! How large the terminal on standard error is.

use rustix::termios::tcgetwinsize;

use crate::environment::Environment;

/// Columns and rows; each at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) columns: usize,
    pub(super) rows: usize,
}

impl Size {
    /// What to take where the terminal does not tell: `COLUMNS` and `LINES`, else 80 and 24.
    pub(super) fn of(environment: &Environment) -> Self {
        let number = |name: &str| environment.get(name).and_then(|text| text.parse().ok()).filter(|number| *number > 0);
        Self { columns: number("COLUMNS").unwrap_or(80), rows: number("LINES").unwrap_or(24) }
    }

    /// As the terminal has it now, each number that it tells.
    pub(super) fn now(self) -> Self {
        let Ok(told) = tcgetwinsize(std::io::stderr()) else { return self };
        let or = |told: u16, other: usize| if told == 0 { other } else { usize::from(told) };
        Self { columns: or(told.ws_col, self.columns), rows: or(told.ws_row, self.rows) }
    }
}

#[cfg(test)]
mod tests {
    use super::Size;
    use crate::environment::Environment;

    #[test]
    fn variables_are_taken_if_they_are_numbers() {
        let size = |columns: usize, rows: usize| Size { columns, rows };
        assert_eq!(Size::of(&Environment::from([])), size(80, 24));
        assert_eq!(Size::of(&Environment::from([("COLUMNS", "40"), ("LINES", "0")])), size(40, 24));
        assert_eq!(Size::of(&Environment::from([("COLUMNS", "wide"), ("LINES", "9")])), size(80, 9));
    }
}
