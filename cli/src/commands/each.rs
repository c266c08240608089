//! One act on several names: a failure is reported and does not keep the others from being done.

use crate::exit::Exit;
use crate::report;

/// Acts on each of `names`; the exit code is that of the last failure.
pub(crate) fn each(names: &[String], mut act: impl FnMut(&str) -> anyhow::Result<()>) -> Exit {
    let mut exit = Exit::Success;
    for name in names {
        if let Err(error) = act(name) {
            exit = report::report(&error);
        }
    }
    exit
}
