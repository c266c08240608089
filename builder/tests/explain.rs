//! Why steps miss: each kind of change is named as what it is.

mod common;

use common::{Site, can_run};
use dhow_builder::CacheUse;
use dhow_layer_store::oci::Platform;
use dhow_layer_store::{Store, StoreOptions};

const FROM: &str = "FROM busybox\n";

/// Builds `first`, changes something, builds `second`; the reasons of the steps that missed then.
fn reasons(first: &str, second: &str, change: impl FnOnce(&mut Site)) -> Vec<String> {
    let mut site = Site::new();
    site.write("src/a", "A");
    site.write("src/z", "Z");
    site.run.secrets.insert("token".to_owned(), b"s3cret".to_vec());
    site.run.secrets.insert("other".to_owned(), b"s3cret".to_vec());
    site.build(&format!("{FROM}{first}"));
    change(&mut site);
    site.build(&format!("{FROM}{second}"));
    site.reasons()
}

fn check(first: &str, second: &str, change: impl FnOnce(&mut Site), expected: &str) {
    if can_run() {
        assert_eq!(reasons(first, second, change), [expected], "{first}{second}");
    }
}

#[test]
fn files_of_the_context() {
    let copy = "COPY src /src/\n";
    let case = |change: fn(&mut Site), expected: &str| {
        check(copy, copy, change, &format!("COPY src /src/: {expected}"));
    };
    case(|site| drop(site.write("src/a", "B")), "`src/a` changed");
    case(|site| drop(site.write("src/b", "B")), "`src/b` was added");
    case(|site| std::fs::remove_file(site.context.path().join("src/z")).unwrap(), "`src/z` was removed");
    case(|site| site.chmod("src/a", 0o600), "`src/a` has another mode");
    let link = |site: &mut Site| {
        std::fs::remove_file(site.context.path().join("src/z")).unwrap();
        site.symlink("a", "src/z");
    };
    check(copy, copy, link, "COPY src /src/: `src/z` changed");
    let mount = "RUN --mount=type=bind,source=src,target=/s cat /s/a\n";
    let name = mount.trim_end();
    check(mount, mount, |site| drop(site.write("src/a", "B")), &format!("{name}: `src/a` changed"));
}

#[test]
fn owners_in_a_stage() {
    if !can_run() {
        return;
    }
    let dockerfile = |owner: &str| {
        format!("FROM busybox AS one\nCOPY --chown={owner} src /s/\nFROM busybox\nCOPY --from=one /s /s/\n")
    };
    let site = Site::new();
    site.write("src/a", "A");
    site.build(&dockerfile("7:8"));
    site.build(&dockerfile("9:8"));
    assert_eq!(
        site.reasons(),
        [
            "COPY --chown=9:8 src /s/: the owner changed from `7:8` to `9:8`",
            "COPY --from=one /s /s/: `s` has another owner, `s/a` has another owner"
        ]
    );
}

#[test]
fn arguments_and_environment() {
    let arg = "ARG VERSION=1\nRUN echo x > /x\n";
    let set = |site: &mut Site| drop(site.options.build_args.insert("VERSION".into(), "2".into()));
    check(arg, arg, set, "RUN echo x > /x: `VERSION` changed from `1` to `2`");
    let run = "RUN echo x > /x\n";
    check(run, &format!("ENV MODE=fast\n{run}"), |_| (), "RUN echo x > /x: `MODE` was not set before, it is `fast`");
    check(&format!("ENV MODE=fast\n{run}"), run, |_| (), "RUN echo x > /x: `MODE` is not set any more, it was `fast`");
}

#[test]
fn the_text_of_the_instruction() {
    check("RUN echo 1\n", "RUN echo 2\n", |_| (), "RUN echo 2: the command changed from `echo 1` to `echo 2`");
    check("COPY src /a/\n", "COPY src /b/\n", |_| (), "COPY src /b/: the destination changed from `/a/` to `/b/`");
    check("USER 1\nRUN id\n", "USER 2\nRUN id\n", |_| (), "RUN id: the user changed from `1` to `2`");
    check(
        "RUN id\n",
        "RUN --network=none id\n",
        |_| (),
        "RUN --network=none id: the network changed from `default` to `none`",
    );
}

#[test]
fn secrets_and_other_mounts() {
    let run = |mounts: &str| format!("RUN {mounts}true\n");
    let (secret, other) = ("--mount=type=secret,id=token ", "--mount=type=secret,id=other ");
    check(&run(""), &run(secret), |_| (), &format!("RUN {secret}true: the mount `secret token` was added"));
    check(
        &run(secret),
        &run(other),
        |_| (),
        &format!("RUN {other}true: the mount `secret other` was added, the mount `secret token` was removed"),
    );
    check(
        &run("--mount=type=tmpfs,target=/t "),
        &run("--mount=type=tmpfs,target=/t,size=1m "),
        |_| (),
        "RUN --mount=type=tmpfs,target=/t,size=1m true: the mount `tmpfs /t` changed",
    );
    // The value of a secret is no part of the key.
    let change = |site: &mut Site| drop(site.run.secrets.insert("token".to_owned(), b"new".to_vec()));
    if can_run() {
        assert!(reasons(&run(secret), &run(secret), change).is_empty());
    }
}

#[test]
fn the_base_and_the_platform() {
    if !can_run() {
        return;
    }
    let dockerfile = "FROM base\nRUN echo 1 > /1\nRUN echo 2 > /2\n";
    let mut site = Site::new();
    let (one, two) =
        (site.build("FROM busybox\nRUN echo one > /base\n"), site.build("FROM busybox\nRUN echo two > /base\n"));
    site.name("base", &one);
    site.build(dockerfile);
    site.name("base", &two);
    site.build(dockerfile);
    let (old, new) = (&one.to_string()[..19], &two.to_string()[..19]);
    assert_eq!(
        site.reasons(),
        [
            format!("RUN echo 1 > /1: the base image `base:latest` changed from {old} to {new}"),
            "RUN echo 2 > /2: a step before it changed: `[2/3] RUN echo 1 > /1`".to_owned()
        ]
    );
    let three = site.build("FROM busybox\nCOPY --from=busybox /etc/passwd /p\n");
    site.name("base", &three);
    // Only the names of platforms are looked at here: the base is this machine's all the same.
    site.options.platform = Some("linux/arm64".parse::<Platform>().unwrap());
    site.build(dockerfile);
    let host = Platform::host();
    assert_eq!(site.reasons()[0], format!("RUN echo 1 > /1: the platform changed from `{host}` to `linux/arm64`"));
}

#[test]
fn new_lost_and_unasked() {
    if !can_run() {
        return;
    }
    let dockerfile = "FROM busybox\nRUN echo 1 > /1\n";
    let mut site = Site::new();
    site.build(dockerfile);
    assert_eq!(site.reasons(), ["RUN echo 1 > /1: never built before"]);
    site.cache = CacheUse::Ignore;
    site.build(dockerfile);
    assert_eq!(site.reasons(), ["RUN echo 1 > /1: the cache was not to be used"]);
    site.cache = CacheUse::Use;
    let records = site.store.records().unwrap();
    let layer = records[0].record.layer.clone().unwrap();
    std::fs::remove_dir_all(site.store_dir.path().join("layers").join(layer.as_str())).unwrap();
    // An open store relies on what it found.
    site.store = Store::open(site.store_dir.path(), StoreOptions::default()).unwrap();
    site.build(dockerfile);
    assert_eq!(site.reasons(), ["RUN echo 1 > /1: it was built before, but its layer is not in the store any more"]);
}

#[test]
fn a_miss_ends_no_look_ups() {
    if !can_run() {
        return;
    }
    let dockerfile = |text: &str| {
        format!(
            "FROM busybox AS one\nRUN echo {text} > /one\nFROM busybox AS two\nRUN echo two > /two\nRUN ls /two\n\
             FROM busybox\nCOPY --from=one /one /\nCOPY --link --from=two /two /\n"
        )
    };
    let site = Site::new();
    site.build(&dockerfile("1"));
    site.build(&dockerfile("2"));
    let steps = site.steps();
    let ran: Vec<&String> = steps.iter().filter(|step| step.ends_with(": ran")).collect();
    assert_eq!(ran, ["RUN echo 2 > /one: ran", "COPY --from=one /one /: ran"], "{steps:?}");
}

#[test]
fn a_record_says_why_it_was_made() {
    if !can_run() {
        return;
    }
    let site = Site::new();
    site.build("FROM busybox\nRUN echo 1 > /1\n");
    site.build("FROM busybox\nRUN echo 2 > /1\n");
    let records = site.store.records().unwrap();
    let why = |at: usize| dhow_builder::why(&site.store, &records[at]).unwrap()[0].to_string();
    assert_eq!(why(0), "the command changed from `echo 1 > /1` to `echo 2 > /1`");
    assert_eq!(why(1), "never built before");
}
