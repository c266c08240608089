//! Repositories as sources of `ADD` and as contexts, served by git itself: its daemon, and its CGI behind lighttpd.

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::context::{context, import_busybox, text};
use crate::dhow::Dhow;
use crate::registry::free_port;
use crate::skip::{need, program};
use crate::web::WebServer;

/// Runs git in `folder`; its standard output.
fn git(folder: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new("git");
    command.current_dir(folder).args(["-c", "protocol.file.allow=always", "-c", "user.name=N", "-c", "user.email=e@x"]);
    command.args(arguments).env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_SYSTEM", "/dev/null");
    command.env("GIT_COMMITTER_DATE", "1700000000 +0000").env("GIT_AUTHOR_DATE", "1600000000 +0000");
    let output = command.output().expect("git starts");
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// `repo.git` and its submodule `sub.git`, bare, in `folder`.
fn make_repositories(folder: &Path) {
    let work = TempDir::with_prefix("dhow-git-").expect("a temporary folder");
    let (sub, repo) = (work.path().join("sub"), work.path().join("repo"));
    for path in [&sub, &repo] {
        fs::create_dir(path).expect("creates a folder");
        git(path, &["init", "-q", "-b", "main"]);
    }
    fs::write(sub.join("lib"), "from the submodule").expect("writes a file");
    git(&sub, &["add", "."]);
    git(&sub, &["commit", "-qm", "sub"]);
    git(work.path(), &["clone", "-q", "--bare", "sub", text(&folder.join("sub.git"))]);
    fs::create_dir_all(repo.join("dir/deep")).expect("creates a folder");
    fs::write(repo.join("Dockerfile"), "FROM busybox\nCOPY . /context\n").expect("writes a file");
    fs::write(repo.join("dir/deep/file"), "main".repeat(5000)).expect("writes a file");
    fs::write(repo.join("dir/tool"), "#!/bin/sh\n").expect("writes a file");
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(repo.join("dir/tool"), executable).expect("sets the mode");
    std::os::unix::fs::symlink("dir/tool", repo.join("link")).expect("makes a link");
    git(&repo, &["submodule", "add", "-q", text(&folder.join("sub.git")), "libs/sub"]);
    git(&repo, &["config", "-f", ".gitmodules", "submodule.libs/sub.url", "../sub.git"]);
    git(&repo, &["add", "."]);
    git(&repo, &["commit", "-qm", "one"]);
    git(&repo, &["tag", "-am", "first", "v1"]);
    fs::write(repo.join("dir/deep/file"), "main".repeat(5000) + "later").expect("writes a file");
    git(&repo, &["commit", "-qam", "two"]);
    git(&repo, &["branch", "side", "v1"]);
    git(work.path(), &["clone", "-q", "--bare", "repo", text(&folder.join("repo.git"))]);
}

/// git's own daemon.
struct Daemon {
    process: Child,
    folder: TempDir,
    port: u16,
}

impl Daemon {
    fn start() -> Result<Self, String> {
        program("git")?;
        let (folder, port) = (TempDir::with_prefix("dhow-git-").expect("a temporary folder"), free_port());
        make_repositories(folder.path());
        // Not through `git`, which would start it as a process of its own.
        let mut command = Command::new(Path::new(&git(Path::new("/"), &["--exec-path"])).join("git-daemon"));
        command.args(["--export-all", "--reuseaddr", "--listen=127.0.0.1"]);
        command.arg(format!("--port={port}")).arg(format!("--base-path={}", folder.path().display()));
        command.env("GIT_CONFIG_COUNT", "1").env("GIT_CONFIG_KEY_0", "safe.directory").env("GIT_CONFIG_VALUE_0", "*");
        let process = command.stdin(Stdio::null()).stderr(Stdio::null()).spawn().map_err(|error| error.to_string())?;
        let start = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(start.elapsed() < Duration::from_secs(20), "git daemon does not answer");
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(Self { process, folder, port })
    }

    fn url(&self, rest: &str) -> String {
        format!("git://127.0.0.1:{}/{rest}", self.port)
    }

    fn name_of(&self, revision: &str) -> String {
        git(&self.folder.path().join("repo.git"), &["rev-parse", revision])
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Killing a process that has already ended is no failure of the test.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// git's CGI behind a web server.
fn smart_http(more: &str) -> Result<WebServer, String> {
    program("git")?;
    let backend = Path::new(&git(Path::new("/"), &["--exec-path"])).join("git-http-backend");
    let config = format!(
        "server.modules += (\"mod_cgi\", \"mod_alias\")\nalias.url = (\"/git\" => \"{}\")\n\
         setenv.add-environment = (\"GIT_PROJECT_ROOT\" => \"FOLDER/files\", \"GIT_HTTP_EXPORT_ALL\" => \"\",\n\
         \"GIT_CONFIG_COUNT\" => \"1\", \"GIT_CONFIG_KEY_0\" => \"safe.directory\", \"GIT_CONFIG_VALUE_0\" => \"*\")\n\
         $HTTP[\"url\"] =~ \"^/git\" {{ cgi.assign = (\"\" => \"\") }}\n{more}",
        backend.display()
    );
    let server = WebServer::with("http", &config)?;
    make_repositories(&server.files());
    Ok(server)
}

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
    assert!(error.contains("SSH") && error.contains("https://"), "{error}");
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
    git(&daemon.folder.path().join("repo.git"), &["update-ref", "refs/heads/main", &first]);
    assert_ne!(dhow.ok(["build", "-q", text(&moving)]), built);
    git(&daemon.folder.path().join("repo.git"), &["update-ref", "refs/heads/main", &latest]);
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
