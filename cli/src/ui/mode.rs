//! Which of the forms of progress is shown.

use super::groups::Ci;
use super::screen::Screen;
use crate::args::ProgressKind;
use crate::environment::Environment;
use crate::problem::Problem;

/// A form of progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Bars that are drawn again and again, for a terminal.
    Bars,
    /// Lines that stay, for logs.
    Lines,
    /// Nothing but documents for programs (`raw_json.rs`).
    Documents,
    /// Nothing.
    Quiet,
}

impl Mode {
    /// Bars on a terminal that can be drawn on, lines elsewhere.
    pub(crate) fn automatic() -> Self {
        if Screen::get().can_draw() { Self::Bars } else { Self::Lines }
    }

    /// The form for a command with a `--quiet` flag.
    pub(crate) fn unless_quiet(quiet: bool) -> Self {
        if quiet { Self::Quiet } else { Self::automatic() }
    }

    /// The form for a build: `--quiet`, else `--progress`, else `BUILDKIT_PROGRESS`.
    ///
    /// # Errors
    /// The variable has an unknown value.
    pub(crate) fn of_build(
        quiet: bool,
        kind: Option<ProgressKind>,
        environment: &Environment,
    ) -> Result<Self, Problem> {
        let kind = match (kind, environment.get("BUILDKIT_PROGRESS")) {
            (Some(kind), _) => kind,
            (None, Some(text)) => from_variable(text)?,
            (None, None) => ProgressKind::Auto,
        };
        Ok(match kind {
            // The log of a CI service is no terminal, even where it pretends to be one.
            ProgressKind::Auto if !quiet && Ci::of(environment).is_some() => Self::Lines,
            _ if quiet => Self::Quiet,
            ProgressKind::Quiet => Self::Quiet,
            ProgressKind::Plain => Self::Lines,
            ProgressKind::RawJson => Self::Documents,
            ProgressKind::Tty => Self::Bars,
            ProgressKind::Auto => Self::automatic(),
        })
    }
}

fn from_variable(text: &str) -> Result<ProgressKind, Problem> {
    match text {
        "auto" => Ok(ProgressKind::Auto),
        "tty" => Ok(ProgressKind::Tty),
        "plain" => Ok(ProgressKind::Plain),
        "rawjson" => Ok(ProgressKind::RawJson),
        "quiet" | "none" => Ok(ProgressKind::Quiet),
        other => Err(Problem::usage(format!("`BUILDKIT_PROGRESS` is `{other}`"))
            .hint("it may be auto, tty, plain, rawjson or quiet")),
    }
}

#[cfg(test)]
mod tests {
    use super::Mode;
    use crate::args::ProgressKind;
    use crate::environment::Environment;

    #[test]
    fn flags_win_over_the_variable() {
        let environment = Environment::from([("BUILDKIT_PROGRESS", "plain")]);
        assert_eq!(Mode::of_build(false, None, &environment).unwrap(), Mode::Lines);
        assert_eq!(Mode::of_build(false, Some(ProgressKind::Tty), &environment).unwrap(), Mode::Bars);
        assert_eq!(Mode::of_build(true, Some(ProgressKind::Tty), &environment).unwrap(), Mode::Quiet);
        let environment = Environment::from([("BUILDKIT_PROGRESS", "loud")]);
        assert!(Mode::of_build(false, None, &environment).is_err());
    }
}
