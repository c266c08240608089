//! Errors as text and exit code: `error:`, `caused by:`, `hint:` (docs/exit-codes.md). The libraries say what failed
//! and how to mend it; here it is only laid out.

use std::error::Error;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::exit::{Exit, SIGNAL_BASE};
use crate::failure;
use crate::output;
use crate::ui::{Escapes, Keep};

/// Whether reports leave nothing out. Errors are reported in many places, all for the one person who typed `--debug`.
static DETAIL: AtomicBool = AtomicBool::new(false);

/// Prints `error` and returns the exit code it stands for.
pub(crate) fn report(error: &anyhow::Error) -> Exit {
    if is_broken_pipe(error) {
        const SIGPIPE: u8 = 13;
        return Exit::Program(SIGNAL_BASE + SIGPIPE);
    }
    output::say(&text(error));
    error.chain().find_map(failure::exit).unwrap_or(Exit::Failure)
}

/// The whole report, without a line feed at its end.
pub(crate) fn text(error: &anyhow::Error) -> String {
    let mut lines = Vec::new();
    let mut said = String::new();
    for (depth, cause) in error.chain().enumerate() {
        let text = cause.to_string();
        // Some errors carry the text of their source in their own.
        if depth > 0 && (said.contains(text.as_str()) || (is_noise(&text) && !in_detail())) {
            continue;
        }
        lines.push(line(depth, &text));
        said.push_str(&text);
        said.push('\n');
    }
    if let Some(hint) = error.chain().find_map(failure::hint) {
        lines.push(format!("hint: {hint}"));
    }
    lines.join("\n")
}

/// What the layers of an HTTP client say one after the other, without saying anything.
fn is_noise(text: &str) -> bool {
    matches!(text, "error sending request" | "client error (Connect)" | "dns error" | "tcp connect error")
}

/// From now on reports leave nothing out (`--debug`).
pub(crate) fn tell_all() {
    DETAIL.store(true, Ordering::Relaxed);
}

fn in_detail() -> bool {
    DETAIL.load(Ordering::Relaxed)
}

fn line(depth: usize, text: &str) -> String {
    match depth {
        0 if is_drawn(text) => text.trim_end().to_owned(),
        0 => format!("error: {text}"),
        _ => format!("caused by: {text}"),
    }
}

/// Whether it is a diagnostic, which is drawn with its own `error:`, coloured or not.
fn is_drawn(text: &str) -> bool {
    let mut lines = text.lines();
    lines.next().is_some_and(|first| Escapes::new(Keep::Text).pass(first).starts_with("error"))
        && lines.next().is_some()
}

/// Whether a write failed as nobody reads any more. Sockets are not meant: their errors have more causes below.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let is_pipe = |error: &&(dyn Error + 'static)| {
        error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    };
    error.to_string() == "cannot write to standard output" && error.chain().any(|error| is_pipe(&error))
}

#[cfg(test)]
mod tests {
    use super::{report, text};
    use crate::exit::Exit;
    use crate::problem::Problem;
    use anyhow::{Context, anyhow};
    use std::io;

    #[test]
    fn an_error_is_told_with_its_causes_and_its_remedy() {
        let problem = Problem::new("no such image: `x`").hint("pull it first");
        let error = Err::<(), _>(problem).context("cannot save").unwrap_err();
        assert_eq!(text(&error), "error: cannot save\ncaused by: no such image: `x`\nhint: pull it first");
        let error = anyhow!("inner").context("outer: inner");
        assert_eq!(text(&error), "error: outer: inner");
        let drawn = "\x1b[1merror[x]: y\x1b[0m\n --> z\n";
        assert_eq!(text(&anyhow!(drawn)), drawn.trim_end());
    }

    #[test]
    fn codes() {
        assert_eq!(report(&Problem::usage("x").into()), Exit::Usage);
        assert_eq!(report(&anyhow!("x")), Exit::Failure);
        let closed = io::Error::from(io::ErrorKind::BrokenPipe);
        let closed = anyhow::Error::new(closed).context("cannot write to standard output");
        assert_eq!(report(&closed).code(), 141);
    }
}
