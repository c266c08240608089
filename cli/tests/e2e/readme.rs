//! The tour in README.md, as a person would type it.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::dhow::Dhow;
use crate::registry::free_port;
use crate::skip::{need, program};

#[test]
fn the_tour_goes_as_it_is_written() {
    need!(program("bash"));
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let readme = fs::read_to_string(readme).expect("a README");
    let tour = readme.split("## A tour").nth(1).and_then(|rest| rest.split("\nDocker's names").next()).expect("a tour");
    let lines: Vec<&str> = tour.lines().filter_map(|line| line.strip_prefix("    ")).collect();
    assert!(lines.len() > 20, "{lines:?}");
    let dhow = Dhow::new();
    let port = free_port().to_string();
    // A person waits until the registry says that it serves.
    let script = lines.join("\n").replace("5000", &port).replace(" &\n", " & server=$!; sleep 2\n");
    let script = format!("set -e; trap 'kill $server' EXIT\n{script}\n");
    let binary = Path::new(env!("CARGO_BIN_EXE_dhow")).parent().expect("a folder");
    let path = format!("{}:{}", binary.display(), std::env::var("PATH").expect("PATH"));
    let mut bash = Command::new("bash");
    bash.args(["-c", &script]).current_dir(dhow.folder()).env("PATH", path).env("DHOW_ROOT", dhow.store());
    let output = bash.env_remove("GITHUB_ACTIONS").output().expect("bash starts");
    let (said, told) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}\n{told}");
    assert!(
        said.matches("Hello from a dhow\n").count() >= 2 && said.contains("Loaded image: app:1.0"),
        "{said}\n{told}"
    );
    assert!(!told.contains("warning") && !told.contains("error"), "{told}");
}
