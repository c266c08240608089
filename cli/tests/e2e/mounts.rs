//! `RUN --mount`: what each key does, and that a secret is nowhere but where it was asked for.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::context::{BUSYBOX, context, import_busybox, text};
use crate::dhow::{Dhow, Finished};
use crate::run::wait_for;
use crate::skip::need;

/// Values that occur nowhere else. Base64 of the first is looked for too.
const FILE: &str = "Xk93-secret-in-a-file-77";
const VARIABLE: &str = "Qz15-secret-in-a-variable-31";
const ENCODED: &str = "WGs5My1zZWNyZXQtaW4tYS1maWxlLTc3";

fn build(dhow: &Dhow, name: &str, (options, dockerfile): (&[&str], &str)) -> Finished {
    let folder = context(dhow, name, &[("Dockerfile", dockerfile), ("dir/file", "from the context\n")]);
    let mut command = dhow.command(["build", "--progress=plain", "--explain", "-t", name]);
    Finished::from(command.args(options).arg(&folder).env("TOKEN", VARIABLE).output().expect("dhow starts"))
}

#[track_caller]
fn nowhere(dhow: &Dhow, what: &str, texts: &[&str]) {
    for secret in [FILE, VARIABLE, ENCODED] {
        assert!(!texts.iter().any(|text| text.contains(secret)), "{what}: {secret} is in\n{texts:?}");
        let found = Command::new("grep").args(["-rlaF", secret, text(&dhow.store())]).output().expect("grep runs");
        assert_eq!(String::from_utf8_lossy(&found.stdout), "", "{what}: {secret}");
    }
}

#[test]
fn a_secret_is_nowhere_but_in_its_mount() {
    let dhow = Dhow::new();
    need!(import_busybox(&dhow));
    let file = dhow.folder().join("secret");
    fs::write(&file, FILE).expect("writes");
    let secret = format!("id=file,src={}", text(&file));
    let options = ["--secret", secret.as_str(), "--secret", "id=variable,env=TOKEN"];
    let digests = "RUN --mount=type=secret,id=file --mount=type=secret,id=variable,env=SHOWN,target=/tmp/v \
        test $(wc -c < /run/secrets/file) = 24 && test $(printf %s $SHOWN | wc -c) = 28 && cmp /tmp/v /tmp/v\n";
    let absent = "RUN test ! -e /run/secrets && test ! -e /tmp/v && test -z \"$SHOWN\"\n";
    let owned =
        "RUN --mount=type=secret,id=file,target=/s,mode=0440,uid=7,gid=8 test $(stat -c %a:%u:%g /s) = 440:7:8\n";
    let dockerfile = format!("FROM {BUSYBOX}\n{digests}{absent}{owned}ENV PATH=/bin\n");
    let built = build(&dhow, "worked", (&options, &dockerfile));
    assert_eq!(built.code, Some(0), "{}", built.stderr);
    let archive = dhow.folder().join("store/archive.tar");
    dhow.ok(["save", "-o", text(&archive), "worked"]);
    let history = dhow.ok(["history", "--no-trunc", "worked"]) + &dhow.ok(["inspect", "worked"]);
    let cache = dhow.ok(["cache", "ls", "--no-trunc"]) + &dhow.ok(["cache", "why", "--format", "json", "RUN"]);
    nowhere(&dhow, "a build that worked", &[&built.stderr, &built.stdout, &history, &cache]);

    let failing = format!("FROM {BUSYBOX}\nRUN --mount=type=secret,id=variable,env=SHOWN sh -c 'exit 3'\n");
    let failed = build(&dhow, "failing", (&options, &failing));
    assert_eq!(failed.code, Some(4), "{}", failed.stderr);
    nowhere(&dhow, "a build that failed", &[&failed.stderr, &failed.stdout]);

    let hanging = format!("FROM {BUSYBOX}\nRUN --mount=type=secret,id=file sleep 61077\n");
    let folder = context(&dhow, "hanging", &[("Dockerfile", hanging.as_str())]);
    let log = dhow.folder().join("log");
    let mut command = dhow.command(["build", "--progress=plain", "--secret", &secret, text(&folder)]);
    let child = command.stdout(Stdio::null()).stderr(fs::File::create(&log).expect("a log")).spawn();
    let mut child = child.expect("dhow starts");
    wait_for("the step to run", || fs::read_to_string(&log).is_ok_and(|log| log.contains("sleep 61077")));
    std::thread::sleep(Duration::from_millis(300));
    nowhere(&dhow, "a build that runs", &[]);
    Command::new("kill").args(["-s", "KILL", &child.id().to_string()]).status().expect("kill runs");
    child.wait().expect("it ends");
    nowhere(&dhow, "a build that was killed", &[]);
}

#[test]
fn a_missing_secret_is_an_error_only_where_it_is_required() {
    let dhow = Dhow::new();
    need!(import_busybox(&dhow));
    let dockerfile = |options: &str| {
        format!("FROM {BUSYBOX}\nRUN --mount=type=secret,id=none{options} test ! -e /run/secrets/none\n")
    };
    assert_eq!(build(&dhow, "optional", (&[], &dockerfile(""))).code, Some(0));
    let failed = build(&dhow, "required", (&[], &dockerfile(",required")));
    assert!(failed.code == Some(4) && failed.stderr.contains("--secret id=none"), "{}", failed.stderr);
}

#[test]
fn cache_mounts_keep_share_and_belong() {
    let dhow = Dhow::new();
    need!(import_busybox(&dhow));
    let dockerfile = format!(
        "FROM {BUSYBOX} AS seed\nRUN mkdir -p /seed/sub && echo seeded > /seed/sub/file\nFROM {BUSYBOX}\n\
         RUN --mount=type=cache,id=a,target=/c,mode=0701,uid=5,gid=6 test $(stat -c %a:%u:%g /c) = 701:5:6 && touch /c/kept\n\
         RUN --mount=type=cache,id=a,target=/other ls /other/kept\n\
         RUN --mount=type=cache,id=b,target=/c test ! -e /c/kept\n\
         RUN --mount=type=cache,id=s,target=/c,from=seed,source=/seed/sub grep seeded /c/file\n\
         RUN --mount=type=cache,id=a,target=/c,ro sh -c '! touch /c/new'\n\
         RUN test ! -e /c && test ! -e /other\n\
         RUN --mount=type=tmpfs,target=/t,size=1m sh -c '! head -c 2000000 /dev/zero > /t/x'\n\
         RUN --mount=type=bind,from=seed,source=/seed,target=/b cat /b/sub/file && sh -c '! touch /b/x'\n\
         RUN --mount=source=dir,target=/b,rw cat /b/file && touch /b/x\n\
         RUN --mount=from={BUSYBOX},source=/etc/passwd,target=/p grep root /p\n"
    );
    let built = build(&dhow, "caches", (&[], &dockerfile));
    assert_eq!(built.code, Some(0), "{}", built.stderr);
    // It outlives the build.
    let again = format!("FROM {BUSYBOX}\nRUN --mount=type=cache,id=a,target=/c ls /c/kept # again\n");
    assert_eq!(build(&dhow, "again", (&[], &again)).code, Some(0));
}

#[test]
fn cache_mounts_are_locked_or_private_as_asked() {
    let dhow = Dhow::new();
    need!(import_busybox(&dhow));
    let stages = |sharing: &str, run: &str| {
        let stage = |n: u32| {
            format!(
                "FROM {BUSYBOX} AS s{n}\nRUN --mount=type=cache,id={sharing},target=/c,sharing={sharing} {run}; touch /{n}\n"
            )
        };
        format!("{}{}FROM {BUSYBOX}\nCOPY --from=s1 /1 /\nCOPY --from=s2 /2 /\n", stage(1), stage(2))
    };
    let locked = stages("locked", "mkdir /c/alone && sleep 0.5 && rmdir /c/alone");
    let start = Instant::now();
    assert_eq!(build(&dhow, "locked", (&["--jobs", "4"], &locked)).code, Some(0));
    assert!(start.elapsed() >= Duration::from_secs(1), "one after the other");
    let private = stages("private", "mkdir /c/alone && sleep 0.5 && rmdir /c/alone");
    assert_eq!(build(&dhow, "private", (&["--jobs", "4"], &private)).code, Some(0));
    let both = "mktemp /c/XXXXXX; i=0; while [ $(ls /c | wc -l) -lt 2 ]; do [ $i -lt 50 ] || exit 1; sleep 0.1; i=$((i+1)); done";
    let shared = stages("shared", both);
    assert_eq!(build(&dhow, "shared", (&["--jobs", "4"], &shared)).code, Some(0));
}
