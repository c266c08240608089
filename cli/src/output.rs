//! The one door to standard output (results) and standard error (what is told on the way).

use std::io::{self, Write};

use anyhow::Context;

use crate::ui::Screen;

/// Writes `text` to standard output.
///
/// # Errors
/// Standard output is closed or full; the report stays silent about a closed one.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    write_to(&mut io::stdout().lock(), text.as_bytes()).context("cannot write to standard output")
}

/// Writes `text` and a line feed to standard output.
///
/// # Errors
/// As for [`print()`].
pub(crate) fn println(text: &str) -> anyhow::Result<()> {
    print(&format!("{text}\n"))
}

/// Writes `text` and a line feed to standard error; nothing can be done if that fails.
pub(crate) fn say(text: &str) {
    Screen::get().write(format!("{text}\n").as_bytes());
}

/// Writes `text` to standard error, and stays on the line.
pub(crate) fn prompt(text: &str) {
    let _ = write_to(&mut io::stderr().lock(), text.as_bytes());
}

/// Asks a question on standard error and reads whether the answer on standard input is yes.
///
/// # Errors
/// Standard input cannot be read.
pub(crate) fn confirm(question: &str) -> anyhow::Result<bool> {
    prompt(&format!("{question} [y/N] "));
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).context("cannot read the answer from standard input")?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

fn write_to(out: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    out.write_all(bytes)?;
    out.flush()
}
