//! Servers that do not speak version 2 of git's protocol, and what they do not give out by its name.

use std::fs;
use std::path::{Path, PathBuf};

use crate::context::{context, import_busybox, text};
use crate::dhow::Dhow;
use crate::git_server::{git, make_repositories, old_daemon, smart_http};
use crate::skip::{need, program};

fn dockerfile(dhow: &Dhow, line: &str) -> PathBuf {
    context(dhow, "app", &[("Dockerfile", &format!("FROM busybox\nADD {line} /src\n"))])
}

/// A commit between the tag and the branch, that neither of them names, and one that nothing leads to.
fn hide_commits(repository: &Path) -> (String, String) {
    let tree = git(repository, &["rev-parse", "main^{tree}"]);
    let commit = |parent: &str, text: &str| git(repository, &["commit-tree", "-p", parent, "-m", text, &tree]);
    let between = commit("main", "between");
    let last = commit(&between, "last");
    git(repository, &["update-ref", "refs/heads/main", &last]);
    (between, commit("main", "lost"))
}

fn size(dhow: &Dhow, line: &str) -> String {
    dhow.ok(["build", "-q", "-t", "made", text(&dockerfile(dhow, line))]);
    dhow.ok(["run", "--rm", "made", "sh", "-c", "cat /src/file | wc -c"]).trim().to_owned()
}

#[test]
fn web_servers_of_older_versions_are_understood() {
    let dhow = Dhow::new();
    need!(import_busybox(&dhow));
    for version in ["", "version=1"] {
        let strip = format!("setenv.set-request-header = (\"Git-Protocol\" => \"{version}\")\n");
        let web = need!(smart_http(&strip));
        let repository = web.files().join("repo.git");
        let (between, lost) = hide_commits(&repository);
        for (reference, expected) in [
            ("", "20005"),
            ("#v1", "20000"),
            ("#side", "20000"),
            (&format!("#{between}"), "20005"),
            (&format!("#{}", git(&repository, &["rev-parse", "v1^{}"])), "20000"),
        ] {
            let directory = if reference.is_empty() { "#:dir/deep" } else { ":dir/deep" };
            let line = format!("{}{reference}{directory}", web.url("git/repo.git"));
            assert_eq!(size(&dhow, &line), expected, "{version} {reference}");
        }
        dhow.ok(["build", "-q", "-t", "made", &web.url("git/repo.git#v1")]);
        dhow.ok(["run", "--rm", "made", "test", "-e", "/context/libs/sub/lib"]);
        let error = dhow.fails(["build", text(&dockerfile(&dhow, &format!("{}#{lost}", web.url("git/repo.git"))))]);
        assert!(error.contains(&format!("has no commit `{lost}`")) && error.contains("hint: "), "{error}");
        let error = dhow.fails(["build", text(&dockerfile(&dhow, &web.url("git/repo.git#nowhere")))]);
        assert!(error.contains("no branch or tag `nowhere`"), "{error}");
    }
}

#[test]
fn daemons_of_older_versions_are_asked_only_for_what_they_name() {
    need!(program("git"));
    let dhow = Dhow::new();
    need!(import_busybox(&dhow));
    let folder = tempfile::tempdir().expect("a temporary folder");
    make_repositories(folder.path());
    let repository = folder.path().join("repo.git");
    let (between, lost) = hide_commits(&repository);
    let port = old_daemon(folder.path(), 100);
    let url = |rest: &str| format!("git://127.0.0.1:{port}/repo.git{rest}");
    let tagged = git(&repository, &["rev-parse", "v1^{}"]);
    git(&repository, &["update-ref", "-d", "refs/heads/side"]);
    for (reference, expected) in
        [("main", "20005"), ("v1", "20000"), (tagged.as_str(), "20000"), (between.as_str(), "20005")]
    {
        assert_eq!(size(&dhow, &url(&format!("#{reference}:dir/deep"))), expected, "{reference}");
    }
    dhow.ok([
        "build",
        "-q",
        "-t",
        "made",
        text(&dockerfile(&dhow, &format!("--keep-git-dir {}", url(&format!("?submodules=0#{between}"))))),
    ]);
    let out = dhow.folder().join("out");
    fs::create_dir(&out).expect("creates a folder");
    dhow.ok(["run", "--rm", "-v", &format!("{}:/out", out.display()), "made", "cp", "-a", "/src", "/out/src"]);
    assert_eq!(git(&out.join("src"), &["rev-parse", "HEAD"]), between);
    assert_eq!(git(&out.join("src"), &["status", "--porcelain"]), "");
    let error = dhow.fails(["build", text(&dockerfile(&dhow, &url(&format!("#{lost}"))))]);
    assert!(error.contains(&format!("has no commit `{lost}`")), "{error}");
    let error = dhow.fails(["build", text(&dockerfile(&dhow, &format!("git://127.0.0.1:{port}/nowhere.git")))]);
    assert!(error.contains("127.0.0.1"), "{error}");
    let left = fs::read_dir(dhow.store().join("tmp")).expect("the staging area").count();
    assert_eq!(left, 0, "what was fetched goes with the build");
}

#[test]
fn other_servers_are_told_from_gits() {
    let web = need!(crate::web::WebServer::start());
    let dhow = Dhow::new();
    need!(import_busybox(&dhow));
    fs::create_dir_all(web.files().join("x.git/info")).expect("creates a folder");
    fs::write(web.files().join("x.git/info/refs"), "0123456789012345678901234567890123456789\trefs/heads/main\n")
        .expect("writes a file");
    let error = dhow.fails(["build", text(&dockerfile(&dhow, &web.url("x.git")))]);
    assert!(error.contains("does not speak git's protocol") && error.contains("hint: "), "{error}");
}
