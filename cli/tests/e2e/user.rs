//! The ordinary user that the rootless tests run as.

use std::path::Path;
use std::process::Command;

use crate::skip;

/// The user's name; scripts/test-user makes it, with subordinate ids.
pub(crate) const NAME: &str = "dhowtest";

/// Makes the user where it is missing, or says why the test has to be skipped.
pub(crate) fn ensure() -> Result<(), String> {
    skip::root()?;
    skip::program("setpriv")?;
    skip::program("newuidmap")?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/test-user");
    match Command::new(script).status() {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err("scripts/test-user failed".to_owned()),
        Err(error) => Err(format!("scripts/test-user: {error}")),
    }
}

/// `program` run by `user`, with a fresh environment.
pub(crate) fn command(user: &str, program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid", user, "--regid", user, "--init-groups"])
        .args(["--reset-env", "--"])
        .arg(program)
        .current_dir("/");
    command
}
