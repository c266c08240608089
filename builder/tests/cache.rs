//! What makes a step run again, and what does not.

mod common;

use common::{Site, can_run};
use dhow_builder::CacheUse;

const DOCKERFILE: &str =
    "FROM busybox\nARG USED=1\nARG UNUSED\nRUN echo first > /1\nCOPY src /src/\nRUN cat /src/a > /2\n";

/// Builds, changes something, builds again; the steps that ran the second time.
fn ran_after(dockerfile: &str, change: impl FnOnce(&mut Site) -> String) -> Vec<String> {
    let mut site = Site::new();
    site.write("src/a", "A");
    site.write("other", "O");
    site.build(dockerfile);
    let dockerfile = change(&mut site);
    site.build(&dockerfile);
    site.steps().into_iter().filter_map(|step| step.strip_suffix(": ran").map(str::to_owned)).collect()
}

#[test]
fn only_what_depends_on_a_change_runs_again() {
    if !can_run() {
        return;
    }
    let run1 = "RUN echo first > /1";
    let copy = "COPY src /src/";
    let run2 = "RUN cat /src/a > /2";
    type Change = fn(&mut Site) -> String;
    let cases: [(&str, Change, &[&str]); 9] = [
        ("nothing", |_| DOCKERFILE.to_owned(), &[]),
        (
            "a copied file",
            |site| {
                site.write("src/a", "B");
                DOCKERFILE.to_owned()
            },
            &[copy, run2],
        ),
        (
            "a file beside",
            |site| {
                site.write("other", "P");
                DOCKERFILE.to_owned()
            },
            &[],
        ),
        (
            "a new file",
            |site| {
                site.write("src/b", "B");
                DOCKERFILE.to_owned()
            },
            &[copy, run2],
        ),
        (
            "the mode",
            |site| {
                site.chmod("src/a", 0o600);
                DOCKERFILE.to_owned()
            },
            &[copy, run2],
        ),
        (
            "the time",
            |site| {
                site.write("src/a", "A");
                DOCKERFILE.to_owned()
            },
            &[],
        ),
        (
            "an argument",
            |site| {
                site.options.build_args.insert("USED".into(), "2".into());
                DOCKERFILE.to_owned()
            },
            &[run1, copy, run2],
        ),
        (
            "an ignored file",
            |site| {
                site.write("src/b", "B");
                site.write(".dockerignore", "src/b");
                DOCKERFILE.to_owned()
            },
            &[],
        ),
        ("the text", |_| DOCKERFILE.replace("cat", "head -n1"), &["RUN head -n1 /src/a > /2"]),
    ];
    for (name, change, expected) in cases {
        assert_eq!(ran_after(DOCKERFILE, change), expected, "{name}");
    }
}

#[test]
fn an_argument_that_is_out_of_scope_changes_nothing() {
    if !can_run() {
        return;
    }
    let dockerfile = "FROM busybox\nRUN true\nARG LATER=1\nCOPY other /\n";
    let ran = ran_after(dockerfile, |site| {
        site.options.build_args.insert("LATER".into(), "2".into());
        site.options.build_args.insert("http_proxy".into(), "http://192.0.2.1:1".into());
        dockerfile.to_owned()
    });
    assert!(ran.is_empty(), "{ran:?}");
}

#[test]
fn another_base_runs_everything() {
    if !can_run() {
        return;
    }
    let dockerfile = "FROM base\nRUN echo 1 > /1\n";
    let mut site = Site::new();
    let base = site.build("FROM busybox\nRUN echo base > /base\n");
    site.name("base", &base);
    site.build(dockerfile);
    site.build(dockerfile);
    assert_eq!(site.steps(), ["RUN echo 1 > /1: cached"]);
    let base = site.build("FROM busybox\nRUN echo other > /base\n");
    site.name("base", &base);
    site.build(dockerfile);
    assert_eq!(site.steps(), ["RUN echo 1 > /1: ran"]);
}

#[test]
fn a_copy_from_a_stage_goes_by_content() {
    if !can_run() {
        return;
    }
    let dockerfile = |comment: &str| {
        format!(
            "FROM busybox AS build\nRUN echo binary > /app # {comment}\nFROM busybox\nCOPY --from=build /app /app\nRUN cat /app\n"
        )
    };
    let site = Site::new();
    let first = site.build(&dockerfile("1"));
    let second = site.build(&dockerfile("2"));
    let mut steps = site.steps();
    steps.sort();
    assert_eq!(
        steps,
        ["COPY --from=build /app /app: cached", "RUN cat /app: cached", "RUN echo binary > /app # 2: ran"]
    );
    assert_eq!(first, second);
}

#[test]
fn the_same_input_gives_the_same_image() {
    if !can_run() {
        return;
    }
    let site = Site::new();
    site.write("src/a", "A");
    let first = site.build(DOCKERFILE);
    assert_eq!(site.build(DOCKERFILE), first);
    let config = site.config(&first);
    assert!(config.created.is_some());
    assert_eq!(config.history.last().unwrap().created, config.created);
}

#[test]
fn without_cache_everything_runs_and_is_kept() {
    if !can_run() {
        return;
    }
    let mut site = Site::new();
    site.write("src/a", "A");
    site.build(DOCKERFILE);
    site.cache = CacheUse::Ignore;
    site.build(DOCKERFILE);
    assert!(site.steps().iter().all(|step| step.ends_with(": ran")), "{:?}", site.steps());
    site.cache = CacheUse::Use;
    site.build(DOCKERFILE);
    assert!(site.steps().iter().all(|step| step.ends_with(": cached")), "{:?}", site.steps());
}

#[test]
fn misses_are_explained() {
    if !can_run() {
        return;
    }
    let mut site = Site::new();
    site.write("src/a", "A");
    site.build(DOCKERFILE);
    assert_eq!(site.reasons()[0], "RUN echo first > /1: never built before");
    site.build(DOCKERFILE);
    assert!(site.reasons().is_empty());
    site.write("src/a", "B");
    site.write("src/b", "B");
    site.build(DOCKERFILE);
    assert_eq!(
        site.reasons(),
        [
            "COPY src /src/: `src/a` changed, `src/b` was added",
            "RUN cat /src/a > /2: a step before it changed: `[3/4] COPY src /src/`"
        ]
    );
    site.build(&DOCKERFILE.replace("cat", "head -n1"));
    assert_eq!(
        site.reasons(),
        ["RUN head -n1 /src/a > /2: the command changed from `cat /src/a > /2` to `head -n1 /src/a > /2`"]
    );
    site.options.build_args.insert("USED".into(), "2".into());
    site.build(DOCKERFILE);
    assert_eq!(site.reasons()[0], "RUN echo first > /1: `USED` changed from `1` to `2`");
}

#[test]
fn a_change_within_a_tick_of_the_clock_is_seen() {
    let site = Site::new();
    for round in 0..30 {
        site.write("a", format!("{round:04} one"));
        let first = site.build("FROM scratch\nCOPY a /\n");
        site.write("a", format!("{round:04} two"));
        let second = site.build("FROM scratch\nCOPY a /\n");
        assert_ne!(first, second, "{round}");
        assert_eq!(site.files(&second, "a"), format!("a 644 0:0 {round:04} two"));
    }
}

#[test]
fn only_what_is_copied_is_walked() {
    let site = Site::new();
    site.write("a", "A");
    for n in 0..4_000 {
        std::os::unix::fs::symlink("x", site.context.path().join(n.to_string())).unwrap();
    }
    site.build("FROM scratch\nCOPY a /\n");
    let start = std::time::Instant::now();
    site.build("FROM scratch\nCOPY a /\n");
    let small = start.elapsed();
    site.build("FROM scratch\nCOPY . /\n");
    let start = std::time::Instant::now();
    site.build("FROM scratch\nCOPY . /\n");
    assert!(small * 3 < start.elapsed(), "{small:?}");
}

#[test]
fn linked_copies_do_not_depend_on_what_is_below() {
    if !can_run() {
        return;
    }
    let dockerfile = |n: u32| format!("FROM busybox\nRUN echo {n} > /n\nCOPY --link other /linked/\n");
    let site = Site::new();
    site.write("other", "O");
    site.build(&dockerfile(1));
    let image = site.build(&dockerfile(2));
    assert_eq!(site.steps(), ["RUN echo 2 > /n: ran", "COPY --link other /linked/: cached"]);
    assert_eq!(site.files(&image, "n"), "n 644 0:0 2");
    assert_eq!(site.files(&image, "linked"), "linked 755 0:0 /\nlinked/other 644 0:0 O");
}

#[test]
fn identical_builds_at_once_run_each_step_once() {
    if !can_run() {
        return;
    }
    let site = Site::new();
    let dockerfile = "FROM busybox\nRUN sleep 1; head -c8 /dev/urandom > /r\n";
    let images: Vec<_> = std::thread::scope(|scope| {
        let builds: Vec<_> = (0..3).map(|_| scope.spawn(|| site.build(dockerfile))).collect();
        builds.into_iter().map(|build| build.join().unwrap()).collect()
    });
    assert_eq!(images[0], images[1]);
    assert_eq!(images[0], images[2]);
}
