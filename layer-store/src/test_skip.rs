//! Tests that cannot run here say so, and fail where everything that they need must be there.

use std::fmt::Display;

/// Says why a test does not run. Panics with `DHOW_TEST_NO_SKIP` set, as on a machine that has all.
#[allow(clippy::print_stderr, reason = "a test that skips says so")]
pub(crate) fn skip(reason: impl Display) {
    assert!(std::env::var_os("DHOW_TEST_NO_SKIP").is_none(), "nothing may skip here, but: {reason}");
    eprintln!("SKIP: {reason}");
}
