//! Steps of foreign platforms: found out before the first step, and only where a program would have to run.

#![allow(clippy::print_stderr, reason = "skips are said aloud")]

mod common;

use common::{Site, can_run, chain};
use dhow_builder::{BuildError, CacheUse, Event};

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

const BOTH: [&str; 2] = ["linux/s390x", "linux/amd64"];

#[test]
fn what_is_the_same_for_several_platforms_is_done_once() {
    if !can_run() {
        return;
    }
    let mut site = Site::new();
    site.cache = CacheUse::Ignore;
    let dockerfile = "FROM --platform=$BUILDPLATFORM busybox AS tools\nRUN echo tools > /tools\n\
                      FROM --platform=$BUILDPLATFORM busybox AS build\nCOPY --from=tools /tools /tools\nARG TARGETARCH\n\
                      RUN cat /tools > /out && echo $TARGETARCH >> /out\n\
                      FROM scratch\nCOPY --from=build /out /out\n";
    let built = site.try_build_platforms(dockerfile, &BOTH).unwrap();
    let platforms: Vec<String> = built.iter().map(|built| site.config(&built.image).platform().to_string()).collect();
    assert_eq!(platforms, BOTH);
    for (built, architecture) in built.iter().zip(["s390x", "amd64"]) {
        assert!(site.files(&built.image, "/out").ends_with(&format!("tools\n{architecture}")), "{architecture}");
        assert_eq!(built.layers.len(), 1);
    }
    let events = site.events.lock().unwrap();
    let started = events.iter().filter(|event| matches!(event, Event::Started { .. })).count();
    assert_eq!(started, 6, "tools and the copy of it once, the rest for each: {events:?}");
    let Some(Event::Planned { steps }) = events.first() else { panic!("{events:?}") };
    assert!(steps.iter().any(|step| step.starts_with("[linux/s390x stage-2 1/1] COPY")), "{steps:?}");
}

#[test]
fn platforms_are_built_at_the_same_time_and_the_first_failure_ends_all() {
    if !can_run() {
        return;
    }
    let site = Site::new();
    let dockerfile = "FROM --platform=$BUILDPLATFORM busybox\nARG TARGETARCH\n\
                      RUN if [ $TARGETARCH = amd64 ]; then exit 3; else sleep 60; fi\n";
    let begun = std::time::Instant::now();
    let error = site.try_build_platforms(dockerfile, &BOTH).unwrap_err();
    assert!(begun.elapsed().as_secs() < 30, "the other platform was stopped");
    assert!(matches!(&error, BuildError::Step { name, .. } if name.contains("[linux/amd64 2/2] RUN")), "{error:?}");
    let events = site.events.lock().unwrap();
    let count = |wanted: fn(&Event) -> bool| events.iter().filter(|event| wanted(event)).count();
    assert_eq!(count(|event| matches!(event, Event::Failed { .. })), 1);
    assert_eq!(count(|event| matches!(event, Event::Stopped { .. })), 1);
}
