//! Repositories as sources of `ADD` and as contexts, served by git itself: its daemon, and its CGI behind lighttpd.

use std::fs;
use std::path::PathBuf;

use crate::context::{context, import_busybox, text};
use crate::dhow::Dhow;
use crate::git_server::{Daemon, git, smart_http};
use crate::skip::need;

fn dockerfile(dhow: &Dhow, line: &str) -> PathBuf {
    context(dhow, "app", &[("Dockerfile", &format!("FROM busybox\n{line}\n"))])
}

fn listing(dhow: &Dhow, below: &str) -> String {
    let script =
        format!("cd {below} && find . -exec stat -c '%A %u:%g %n' {{}} + | sort -k3 && head -c 9 dir/deep/file");
    dhow.ok(["run", "--rm", "made", "sh", "-c", &script])
}

#[test]
fn a_repository_is_added_with_its_submodules() {
    let daemon = need!(Daemon::start());
    let web = need!(smart_http(""));
    let dhow = Dhow::new();
    need!(import_busybox(&dhow));
    let expected = "drwxr-xr-x 0:0 .\n-rw-r--r-- 0:0 ./.gitmodules\n-rw-r--r-- 0:0 ./Dockerfile\ndrwxr-xr-x 0:0 ./dir\n\
                    drwxr-xr-x 0:0 ./dir/deep\n-rw-r--r-- 0:0 ./dir/deep/file\n-rwxr-xr-x 0:0 ./dir/tool\n\
                    drwxr-xr-x 0:0 ./libs\ndrwxr-xr-x 0:0 ./libs/sub\n-rw-r--r-- 0:0 ./libs/sub/lib\n\
                    lrwxrwxrwx 0:0 ./link\nmainmainm";
    for url in [daemon.url("repo.git"), web.url("git/repo.git"), web.url("moved/git/repo.git")] {
        dhow.ok(["build", "-q", "-t", "made", text(&dockerfile(&dhow, &format!("ADD {url} /src")))]);
        assert_eq!(listing(&dhow, "/src"), expected, "{url}");
    }
}

#[test]
fn references_directories_and_checksums() {
    let daemon = need!(Daemon::start());
    let dhow = Dhow::new();
    need!(import_busybox(&dhow));
    let (first, tag, latest) = (daemon.name_of("v1^{}"), daemon.name_of("v1"), daemon.name_of("main"));
    let size = |reference: &str, flags: &str| {
        let url = daemon.url(&format!("repo.git{reference}"));
        dhow.ok(["build", "-q", "-t", "made", text(&dockerfile(&dhow, &format!("ADD {flags} {url} /src")))]);
        dhow.ok(["run", "--rm", "made", "sh", "-c", "cat /src/file | wc -c"]).trim().to_owned()
    };
    for (reference, flags, expected) in [
        ("#v1:dir/deep", String::new(), "20000"),
        ("#side:dir/deep", String::new(), "20000"),
        ("?subdir=dir/deep", String::new(), "20005"),
        ("?tag=v1&subdir=dir/deep", format!("--checksum={}", &first[..12]), "20000"),
        ("#v1:dir/deep", format!("--checksum={tag}"), "20000"),
        (&format!("#{first}:dir/deep"), String::new(), "20000"),
        ("#refs/heads/main:/dir/deep/", format!("--checksum={latest}"), "20005"),
    ] {
        assert_eq!(size(reference, &flags), expected, "{reference} {flags}");
    }
    for (reference, flags, reason) in [
        ("#nowhere", "", "no branch or tag `nowhere`"),
        ("#main:nowhere", "", "no directory `nowhere`"),
        ("#main", "--checksum=0123456", "checksum"),
    ] {
        let url = daemon.url(&format!("repo.git{reference}"));
        let error = dhow.fails(["build", text(&dockerfile(&dhow, &format!("ADD {flags} {url} /src")))]);
        assert!(error.contains(reason) && error.contains("Dockerfile:2"), "{error}");
    }
    let error = dhow.fails(["build", text(&dockerfile(&dhow, "ADD git@example.com:a/b.git /src"))]);
    assert!(error.contains("wants an SSH key") && error.contains("--ssh default"), "{error}");
}

#[test]
fn what_is_known_is_not_fetched_again() {
    let daemon = need!(Daemon::start());
    let dhow = Dhow::new();
    need!(import_busybox(&dhow));
    let (first, latest) = (daemon.name_of("v1^{}"), daemon.name_of("main"));
    let moving = dockerfile(&dhow, &format!("ADD {} /src", daemon.url("repo.git")));
    let built = dhow.ok(["build", "-q", text(&moving)]);
    assert_eq!(dhow.ok(["build", "-q", text(&moving)]), built);
    // The branch moves on, and back.
    git(&daemon.repository(), &["update-ref", "refs/heads/main", &first]);
    assert_ne!(dhow.ok(["build", "-q", text(&moving)]), built);
    git(&daemon.repository(), &["update-ref", "refs/heads/main", &latest]);
    assert_eq!(dhow.ok(["build", "-q", text(&moving)]), built);
    let url = daemon.url("repo.git");
    let pinned =
        context(&dhow, "pinned", &[("Dockerfile", &format!("FROM busybox\nADD --checksum={latest} {url} /src\n"))]);
    drop(daemon);
    assert_eq!(dhow.ok(["build", "-q", text(&pinned)]), built, "nobody has to be asked");
    let error = dhow.fails(["build", "-q", text(&moving)]);
    assert!(error.contains("127.0.0.1"), "{error}");
}

#[test]
fn a_kept_git_directory_is_one_that_git_takes() {
    let daemon = need!(Daemon::start());
    let dhow = Dhow::new();
    need!(import_busybox(&dhow));
    let line = format!("ADD --keep-git-dir=true {} /src", daemon.url("repo.git?submodules=0"));
    dhow.ok(["build", "-q", "-t", "made", text(&dockerfile(&dhow, &line))]);
    let out = dhow.folder().join("out");
    fs::create_dir(&out).expect("creates a folder");
    let volume = format!("{}:/out", out.display());
    dhow.ok(["run", "--rm", "-v", &volume, "made", "cp", "-a", "/src", "/out/src"]);
    let src = out.join("src");
    assert_eq!(git(&src, &["rev-parse", "HEAD"]), daemon.name_of("main"));
    assert_eq!(git(&src, &["status", "--porcelain"]), "");
    assert_eq!(git(&src, &["log", "--format=%s"]), "two");
    assert_eq!(git(&src, &["remote", "get-url", "origin"]), daemon.url("repo.git"));
    git(&src, &["fsck", "--full"]);
}

#[test]
fn a_repository_is_a_context_of_its_own_or_by_name() {
    let web = need!(smart_http(""));
    let dhow = Dhow::new();
    need!(import_busybox(&dhow));
    dhow.ok(["build", "-q", "-t", "made", &web.url("git/repo.git#v1")]);
    assert!(listing(&dhow, "/context").ends_with("mainmainm"));
    dhow.ok(["run", "--rm", "made", "test", "!", "-e", "/context/.git"]);
    let keep = "BUILDKIT_CONTEXT_KEEP_GIT_DIR=1";
    dhow.ok(["build", "-q", "-t", "made", "--build-arg", keep, &web.url("git/repo.git")]);
    dhow.ok(["run", "--rm", "made", "test", "-e", "/context/.git/HEAD"]);
    let folder = context(&dhow, "named", &[("Dockerfile", "FROM busybox\nCOPY --from=code tool /tool\n")]);
    let named = format!("code={}", web.url("git/repo.git#side:dir"));
    dhow.ok(["build", "-q", "-t", "made", "--build-context", &named, text(&folder)]);
    dhow.ok(["run", "--rm", "made", "test", "-x", "/tool"]);
    let error = dhow.fails(["build", &web.url("git/nowhere.git")]);
    assert!(error.contains("nowhere.git") && error.contains("404"), "{error}");
    let left = fs::read_dir(dhow.store().join("tmp")).expect("the staging area").count();
    assert_eq!(left, 0, "what was fetched goes with the build");
}
