//! A shell for the sandbox of an image that has none: a static program of this machine.

use std::path::{Path, PathBuf};

use dhow_builder::OwnShell;

use crate::from_host::is_static;

/// Where Debian and others have busybox.
const BUSYBOX: [&str; 3] = ["/bin/busybox", "/usr/bin/busybox", "/sbin/busybox"];
/// dhow's own small shell, a hidden command.
const COMMAND: &str = "sandbox-shell";

/// busybox where it is static; else dhow itself, whose release is; none for a dhow that needs libraries.
pub(crate) fn own_shell() -> Option<OwnShell> {
    let busybox = BUSYBOX.map(PathBuf::from).into_iter().find(|path| is_static(path));
    if let Some(program) = busybox {
        return Some(OwnShell { program, args: vec!["sh".to_owned()] });
    }
    let program = std::env::current_exe().ok().filter(|path| is_static(Path::new(path)))?;
    Some(OwnShell { program, args: vec![COMMAND.to_owned()] })
}
