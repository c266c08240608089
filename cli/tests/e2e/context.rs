//! Small build contexts and base images that tests write for themselves.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::case::cases_folder;
use crate::dhow::Dhow;
use crate::skip::program;

/// The base image of most tests: busybox, made by testdata/make-busybox-root.
pub(crate) const BUSYBOX: &str = "busybox";

/// Imports the busybox root as [`BUSYBOX`], or says why it cannot be made.
pub(crate) fn import_busybox(dhow: &Dhow) -> Result<(), String> {
    program("busybox")?;
    let tar = busybox_tar(dhow.folder());
    dhow.hand_over(&tar);
    dhow.ok(["import", "--change", "CMD [\"sh\"]", text(&tar), BUSYBOX]);
    Ok(())
}

/// The busybox root as a tar in `folder`.
pub(crate) fn busybox_tar(folder: &Path) -> PathBuf {
    let tar = folder.join("busybox.tar");
    let script = cases_folder().join("../make-busybox-root");
    let made = Command::new(script).arg(&tar).status().expect("sh runs");
    assert!(made.success(), "make-busybox-root failed");
    tar
}

/// A folder NAME below the test's own, with `files` (path, text) in it.
pub(crate) fn context(dhow: &Dhow, name: &str, files: &[(&str, &str)]) -> PathBuf {
    let folder = dhow.folder().join(name);
    fs::create_dir_all(&folder).expect("creates a folder");
    for (path, content) in files {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("creates a folder");
        fs::write(path, content).expect("writes a file");
    }
    dhow.hand_over(&folder);
    folder
}

/// A path as an argument.
pub(crate) fn text(path: &Path) -> &str {
    path.to_str().expect("an UTF-8 path")
}
