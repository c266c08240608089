//! `SOURCE_DATE_EPOCH` by the date of a commit, of a file on a web server and of an archive.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, UNIX_EPOCH};

use crate::context::{context, import_busybox, text};
use crate::dhow::{Dhow, Finished};
use crate::git_server::{Daemon, smart_http};
use crate::skip::need;
use crate::web::WebServer;

/// When everything in the repositories was committed, and how an image has it.
const COMMITTED: (&str, &str) = ("1700000000", "2023-11-14T22:13:20Z");

fn created(dhow: &Dhow, image: &str) -> String {
    dhow.ok(["inspect", "--format", "{{.Created}}", image]).trim().to_owned()
}

/// What a step sees, and what the files have.
fn seen(dhow: &Dhow, script: &str) -> String {
    dhow.ok(["run", "--rm", "made", "sh", "-c", script])
}

#[test]
fn a_commits_date_is_that_of_the_image() {
    let web = need!(smart_http(""));
    let dhow = Dhow::new();
    need!(import_busybox(&dhow));
    let url = web.url("git/repo.git");
    let epoch = "SOURCE_DATE_EPOCH=context";
    dhow.ok(["build", "-q", "-t", "made", "--build-arg", epoch, &url]);
    assert_eq!(created(&dhow, "made"), COMMITTED.1);
    let times = "find /context -exec stat -c %Y {} + | sort -u";
    assert_eq!(seen(&dhow, times).trim(), COMMITTED.0);
    let text_of = |source: &str, value: &str| {
        format!(
            "ARG SOURCE_DATE_EPOCH={value}\n{source}FROM busybox\nARG SOURCE_DATE_EPOCH\nRUN echo $SOURCE_DATE_EPOCH > /seen\n"
        )
    };
    // A stage, a named repository and a named branch.
    let stage = format!("FROM scratch AS source\nADD {url}#v1 /\n");
    let folder = context(&dhow, "stage", &[("Dockerfile", &text_of(&stage, "source"))]);
    dhow.ok(["build", "-q", "-t", "made", text(&folder)]);
    assert_eq!((seen(&dhow, "cat /seen").trim(), created(&dhow, "made").as_str()), COMMITTED);
    let folder = context(&dhow, "named", &[("Dockerfile", &text_of("", "code"))]);
    let named = format!("code={url}#side:dir");
    dhow.ok(["build", "-q", "-t", "made", "--build-context", &named, text(&folder)]);
    assert_eq!((seen(&dhow, "cat /seen").trim(), created(&dhow, "made").as_str()), COMMITTED);
    let left = fs::read_dir(dhow.store().join("tmp")).expect("the staging area").count();
    assert_eq!(left, 0, "what was fetched goes with the build");
}

#[test]
fn added_files_have_the_commits_date_where_asked_for() {
    let daemon = need!(Daemon::start());
    let dhow = Dhow::new();
    need!(import_busybox(&dhow));
    let build = |query: &str| {
        let line = format!("FROM busybox\nADD {} /src\n", daemon.url(&format!("repo.git{query}")));
        // The date of a file is nothing that a key knows.
        dhow.ok(["build", "-q", "--no-cache", "-t", "made", text(&context(&dhow, "app", &[("Dockerfile", &line)]))]);
        seen(&dhow, "cd /src && stat -c %Y dir dir/deep dir/deep/file link libs/sub libs/sub/lib | sort -u")
    };
    assert_eq!(build("?mtime=commit").trim(), COMMITTED.0);
    assert_ne!(build("?mtime=checkout").trim(), COMMITTED.0);
}

fn tar(folder: &Path, to: &Path) {
    let mut command = Command::new("tar");
    command.arg("-C").arg(folder).args(["--mtime=@86400", "-cf"]).arg(to).arg(".");
    assert!(command.status().expect("tar runs").success());
}

#[test]
fn archives_and_files_from_the_web_have_dates() {
    let web = need!(WebServer::with(
        "http",
        "$HTTP[\"url\"] =~ \"^/undated\" { setenv.set-response-header = (\"Last-Modified\" => \"\") }\n"
    ));
    let dhow = Dhow::new();
    need!(import_busybox(&dhow));
    let dockerfile = "ARG SOURCE_DATE_EPOCH=context\nFROM busybox\nCOPY file /\n";
    let folder = context(&dhow, "app", &[("Dockerfile", dockerfile), ("file", "content")]);
    for name in ["dated.tar", "undated.tar"] {
        tar(&folder, &web.files().join(name));
        let file = File::options().write(true).open(web.files().join(name)).expect("the archive");
        file.set_modified(UNIX_EPOCH + Duration::from_secs(172_800)).expect("sets the date");
    }
    for (name, expected) in [("dated.tar", "1970-01-03T00:00:00Z"), ("undated.tar", "1970-01-02T00:00:00Z")] {
        dhow.ok(["build", "-q", "-t", "made", &web.url(name)]);
        assert_eq!(created(&dhow, "made"), expected, "{name}");
    }
    let mut command = dhow.command(["build", "-q", "-t", "made", "-"]);
    command.stdin(Stdio::from(File::open(web.files().join("dated.tar")).expect("the archive")));
    Finished::from(command.output().expect("dhow starts")).expect_success();
    assert_eq!(created(&dhow, "made"), "1970-01-02T00:00:00Z");
    // A directory has no date, as for the reference, but that is told.
    let told = dhow.run(["build", "-t", "made", text(&folder)]);
    assert_eq!(told.code, Some(0), "{}", told.stderr);
    assert!(told.stderr.contains("the context has no date of its own"), "{}", told.stderr);
    assert!(created(&dhow, "made").starts_with("20"));
    let mut command = dhow.command(["build", "-q", "-t", "made", text(&folder)]);
    Finished::from(command.env("SOURCE_DATE_EPOCH", "86400").output().expect("dhow starts")).expect_success();
    assert_eq!(created(&dhow, "made"), "1970-01-02T00:00:00Z");
}

#[test]
fn files_that_leave_without_an_image_have_the_date() {
    let dhow = Dhow::new();
    let folder =
        context(&dhow, "app", &[("Dockerfile", "FROM scratch\nCOPY file /\nCOPY file /dir/\n"), ("file", "x")]);
    let file = File::options().write(true).open(folder.join("file")).expect("the file");
    file.set_modified(UNIX_EPOCH + Duration::from_secs(86_400)).expect("sets the date");
    let (directory, archive) = (dhow.folder().join("out"), dhow.folder().join("out.tar"));
    // Earlier ones too, as in the reference.
    for seconds in ["5", "1000000000"] {
        let (local, tar) =
            (format!("type=local,dest={}", directory.display()), format!("type=tar,dest={}", archive.display()));
        let mut command = dhow.command(["build", "-q", "-o", &local, "-o", &tar, text(&folder)]);
        Finished::from(command.env("SOURCE_DATE_EPOCH", seconds).output().expect("dhow starts")).expect_success();
        for path in ["file", "dir", "dir/file"] {
            let found = fs::metadata(directory.join(path)).and_then(|file| file.modified()).expect("the file");
            assert_eq!(found.duration_since(UNIX_EPOCH).expect("a date").as_secs().to_string(), seconds, "{path}");
        }
        let unpacked = dhow.folder().join(format!("unpacked-{seconds}"));
        fs::create_dir(&unpacked).expect("creates a folder");
        let done = Command::new("tar").arg("-C").arg(&unpacked).arg("-xf").arg(&archive).status();
        assert!(done.expect("tar runs").success());
        let found = fs::metadata(unpacked.join("dir/file")).and_then(|file| file.modified()).expect("the file");
        assert_eq!(found.duration_since(UNIX_EPOCH).expect("a date").as_secs().to_string(), seconds);
    }
}
