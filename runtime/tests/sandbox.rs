//! Real sandboxes over a busybox root.
#![allow(missing_docs)]

mod common;

use common::{BusyboxRoot, run};

#[test]
fn first_light() {
    let Some(root) = BusyboxRoot::new() else {
        return;
    };
    let outcome = run(root.shell("id; pwd; ls -la /dev /; mount; cat /proc/self/status; ps; exit 7")).unwrap();
    println!("{}\n{}", outcome.stdout, outcome.stderr);
    assert_eq!(outcome.exit.status.code(), 7);
}
