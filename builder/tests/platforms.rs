//! Steps of foreign platforms: found out before the first step, and only where a program would have to run.

#![allow(clippy::print_stderr, reason = "skips are said aloud")]

mod common;

use common::{Site, can_run, chain};
use dhow_builder::BuildError;

/// A site that builds for a platform which no emulator is registered for, with an image `foreign` of it.
fn site() -> Option<Site> {
    if !can_run() {
        return None;
    }
    let mut site = Site::new();
    site.options.platform = Some("linux/s390x".parse().unwrap());
    let foreign = site.build("FROM scratch\nCOPY <<EOF /file\ncontent\nEOF\n");
    assert_eq!(site.config(&foreign).platform().to_string(), "linux/s390x");
    site.name("foreign", &foreign);
    Some(site)
}

#[test]
fn a_build_that_cannot_run_its_steps_does_not_begin() {
    let Some(site) = site() else { return };
    if std::fs::read_dir("/proc/sys/fs/binfmt_misc")
        .is_ok_and(|entries| entries.flatten().any(|e| e.file_name().to_string_lossy().contains("s390x")))
    {
        eprintln!("SKIP: this machine runs programs for linux/s390x");
        return;
    }
    let error = site.fail("FROM foreign\nCOPY <<EOF /x\nEOF\nRUN echo\n");
    assert!(chain(&error).contains("cannot run programs for `linux/s390x`"), "{}", chain(&error));
    assert!(error.hint().unwrap().contains("binfmt_misc") && error.span().is_some());
    assert!(matches!(&error, BuildError::Step { name, .. } if name.contains("RUN echo")));
    assert!(site.steps().is_empty(), "{:?}", site.steps());
}

#[test]
fn what_runs_no_foreign_program_needs_no_emulator() {
    let Some(mut site) = site() else { return };
    let image = site.build(
        "FROM --platform=$BUILDPLATFORM busybox AS build\nARG TARGETARCH\nRUN echo for $TARGETARCH > /out\n\
         FROM foreign\nCOPY --from=build /out /out\nWORKDIR /w\n",
    );
    assert_eq!(site.config(&image).platform().to_string(), "linux/s390x");
    assert!(site.files(&image, "/out").ends_with("for s390x"));
    // A stage that the target does not need does not count.
    site.options.target = Some("last".to_owned());
    site.build("FROM foreign AS unneeded\nRUN echo\nFROM foreign AS last\n");
}
