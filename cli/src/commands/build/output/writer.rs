//! Writes an output to a file or to standard output.

use std::io::{self, IsTerminal, Write};

use super::deliver::Means;
use super::kind::Dest;
use crate::commands::save::into_file;
use crate::problem::Problem;

/// Lets `write` write to `dest`. A file takes its place when it is whole.
///
/// # Errors
/// Standard output is a terminal; what `write` says; an interrupt.
pub(super) fn write(
    means: &Means<'_>,
    dest: &Dest,
    write: impl FnOnce(&mut dyn Write) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let interrupt = means.delivery.interrupt;
    let write = |out: &mut dyn Write| interrupt.or(write(&mut interrupt.stream(out)));
    match dest {
        Dest::File(path) => into_file(path, write),
        Dest::Stdout if io::stdout().is_terminal() => {
            Err(Problem::usage("standard output is a terminal, which shows no archives")
                .hint("name a file with `dest=FILE`, or send it on with `>` or `|`")
                .into())
        }
        Dest::Stdout => write(&mut io::stdout()),
    }
}
