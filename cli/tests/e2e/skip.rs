//! Skipping aloud: what a test needs, and what happens where it is missing.

use std::path::PathBuf;
use std::process::Command;

/// The program `name` from PATH, or the reason to skip.
pub(crate) fn program(name: &str) -> Result<PathBuf, String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin"), PathBuf::from("/sbin")])
        .map(|folder| folder.join(name))
        .find(|candidate| candidate.is_file())
        .ok_or_else(|| format!("`{name}` is not installed"))
}

/// Whether the test runs as root, or the reason to skip.
pub(crate) fn root() -> Result<(), String> {
    let id = Command::new("id").arg("-u").output().expect("`id` runs");
    match String::from_utf8_lossy(&id.stdout).trim() {
        "0" => Ok(()),
        uid => Err(format!("needs root, runs as uid {uid}")),
    }
}

/// Ends the test with `reason`: a line on standard error, or a failure where nothing may skip.
pub(crate) fn skip(reason: &str) {
    assert!(std::env::var_os("DHOW_TEST_NO_SKIP").is_none(), "nothing may skip here, but: {reason}");
    eprintln!("SKIP: {reason}");
}

/// Unwraps what a test needs, or skips the test that calls it.
macro_rules! need {
    ($requirement:expr) => {
        match $requirement {
            Ok(value) => value,
            Err(reason) => return $crate::skip::skip(&reason),
        }
    };
}
pub(crate) use need;
