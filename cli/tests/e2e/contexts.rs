//! Where a build's files come from: directories, archives and Dockerfiles on standard input, URLs, and named contexts.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::context::{context, import_busybox, text};
use crate::dhow::{Dhow, Finished};
use crate::peer::{needs_skopeo, skopeo};
use crate::skip::need;
use crate::web::WebServer;

const DOCKERFILE: &str = "FROM busybox\nCOPY dir /dir\n";

fn files(dhow: &Dhow) -> std::path::PathBuf {
    let files = [
        ("Dockerfile", DOCKERFILE),
        ("other.Dockerfile", "FROM busybox\nCOPY dir /other\n"),
        ("dir/file", "content"),
        (".dockerignore", "dir\n"),
    ];
    context(dhow, "files", &files)
}

fn tar(folder: &Path, compression: &str, to: &Path) {
    let mut command = Command::new("tar");
    command.arg("-C").arg(folder).arg(compression).arg("-cf").arg(to).arg(".");
    assert!(command.status().expect("tar runs").success());
}

fn with_input(dhow: &Dhow, arguments: &[&str], input: &Path) -> Finished {
    let mut command = dhow.command(arguments);
    command.stdin(Stdio::from(fs::File::open(input).expect("the input")));
    Finished::from(command.output().expect("dhow starts"))
}

fn said(dhow: &Dhow, path: &str) -> String {
    dhow.ok(["run", "--rm", "made", "cat", path])
}

#[test]
fn an_archive_on_standard_input_is_a_context() {
    let dhow = Dhow::new();
    need!(import_busybox(&dhow));
    let (folder, archive) = (files(&dhow), dhow.folder().join("context.tar"));
    for compression in ["--no-auto-compress", "--gzip", "--zstd", "--bzip2", "--xz"] {
        tar(&folder, compression, &archive);
        with_input(&dhow, &["build", "-q", "-t", "made", "-"], &archive).expect_success();
        // What was packed was chosen: the ignore file in it hides nothing.
        assert_eq!(said(&dhow, "/dir/file"), "content", "{compression}");
        let other = ["build", "-q", "-t", "made", "-f", "other.Dockerfile", "-"];
        with_input(&dhow, &other, &archive).expect_success();
        assert_eq!(said(&dhow, "/other/file"), "content");
    }
    let error = with_input(&dhow, &["build", "-f", "nowhere", "-"], &archive).expect_failure();
    assert!(error.contains("the context has no `nowhere`"), "{error}");
}

#[test]
fn a_link_in_an_archive_shows_nothing_of_this_machine() {
    let dhow = Dhow::new();
    let folder = context(&dhow, "files", &[("x", "y")]);
    let secret = dhow.folder().join("secret");
    fs::write(&secret, "FROM top-secret-name\n").expect("writes a file");
    std::os::unix::fs::symlink(&secret, folder.join("Dockerfile")).expect("makes a link");
    let archive = dhow.folder().join("context.tar");
    tar(&folder, "--no-auto-compress", &archive);
    for arguments in [&["build", "-"][..], &["build", "-f", "Dockerfile", "-"]] {
        let error = with_input(&dhow, arguments, &archive).expect_failure();
        assert!(!error.contains("top-secret-name"), "{error}");
    }
}

#[test]
fn a_dockerfile_on_standard_input_goes_with_or_without_a_context() {
    let dhow = Dhow::new();
    need!(import_busybox(&dhow));
    let (folder, input) = (files(&dhow), dhow.folder().join("input"));
    fs::write(&input, "FROM busybox\nCOPY <<EOF /alone\ncontent\nEOF\n").expect("writes a file");
    with_input(&dhow, &["build", "-q", "-t", "made", "-"], &input).expect_success();
    assert_eq!(said(&dhow, "/alone"), "content\n");
    fs::write(&input, "FROM busybox\nCOPY Dockerfile /copied\n").expect("writes a file");
    with_input(&dhow, &["build", "-q", "-t", "made", "-f", "-", text(&folder)], &input).expect_success();
    assert_eq!(said(&dhow, "/copied"), DOCKERFILE);
}

#[test]
fn a_url_is_a_context_of_many_files_or_of_one() {
    let server = need!(WebServer::start());
    let dhow = Dhow::new();
    need!(import_busybox(&dhow));
    tar(&files(&dhow), "--gzip", &server.files().join("context.tar.gz"));
    dhow.ok(["build", "-q", "-t", "made", &server.url("context.tar.gz")]);
    assert_eq!(said(&dhow, "/dir/file"), "content");
    dhow.ok(["build", "-q", "-t", "made", "-f", "other.Dockerfile", &server.url("context.tar.gz")]);
    assert_eq!(said(&dhow, "/other/file"), "content");
    let alone = "FROM busybox\nCOPY context /itself\n";
    fs::write(server.files().join("alone"), alone).expect("writes a file");
    dhow.ok(["build", "-q", "-t", "made", &server.url("alone")]);
    assert_eq!(said(&dhow, "/itself"), alone);
    let input = dhow.folder().join("input");
    fs::write(&input, "FROM busybox\nCOPY dir/file /f\n").expect("writes a file");
    let from_both = ["build", "-q", "-t", "made", "-f", "-", &server.url("context.tar.gz")];
    with_input(&dhow, &from_both, &input).expect_success();
    assert_eq!(said(&dhow, "/f"), "content");
    let error = dhow.fails(["build", &server.url("nowhere")]);
    assert!(error.contains("404") && error.contains("cannot get the context"), "{error}");
    let left = fs::read_dir(dhow.store().join("tmp")).expect("the staging area").count();
    assert_eq!(left, 0, "what was fetched goes with the build");
}

#[test]
fn named_contexts_come_from_everywhere() {
    let server = need!(WebServer::start());
    let dhow = Dhow::new();
    need!(import_busybox(&dhow));
    fs::write(server.files().join("tool"), "tool").expect("writes a file");
    let other = context(&dhow, "other", &[("a", "from a"), ("hidden", "x"), (".dockerignore", "hidden\n")]);
    let dockerfile = "FROM alpine AS base\nFROM base\nCOPY --from=dir . /dir/\nCOPY --from=web context /web\n\
                      COPY --from=layout /bin/sh /from-layout\nRUN --mount=from=dir,target=/m cat /m/a > /mounted\n";
    let folder = context(&dhow, "app", &[("Dockerfile", dockerfile)]);
    need!(needs_skopeo());
    let (archive, layout) = (dhow.folder().join("busybox.docker"), dhow.folder().join("layout"));
    dhow.ok(["save", "-o", text(&archive), "busybox"]);
    skopeo(&["copy", &format!("docker-archive:{}", archive.display()), &format!("oci:{}:v1", layout.display())]);
    let contexts = [
        "alpine=docker-image://busybox".to_owned(),
        format!("dir={}", other.display()),
        format!("web={}", server.url("tool")),
        format!("layout=oci-layout://{}:v1", layout.display()),
    ];
    let mut arguments = vec!["build", "-q", "-t", "made"];
    contexts.iter().for_each(|context| arguments.extend(["--build-context", context]));
    arguments.push(text(&folder));
    dhow.ok(&arguments);
    assert_eq!((said(&dhow, "/web"), said(&dhow, "/mounted")), ("tool".to_owned(), "from a".to_owned()));
    assert_eq!(dhow.ok(["run", "--rm", "made", "ls", "-A", "/dir"]), ".dockerignore\na\n");
    dhow.ok(["run", "--rm", "made", "test", "-s", "/from-layout"]);
    let missing = format!("layout=oci-layout://{}:v2", layout.display());
    let error = dhow.fails(["build", "--build-context", &missing, text(&folder)]);
    assert!(error.contains("v2") || error.contains("alpine"), "{error}");
}
