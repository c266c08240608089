//! Two repositories, and servers of them that are git's own: its daemon, and its CGI behind lighttpd.

use std::fs;
use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::context::text;
use crate::registry::free_port;
use crate::skip::program;
use crate::web::WebServer;

/// Runs git in `folder`; its standard output.
pub(crate) fn git(folder: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new("git");
    command.current_dir(folder).args(["-c", "protocol.file.allow=always", "-c", "user.name=N", "-c", "user.email=e@x"]);
    command.args(arguments).env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_SYSTEM", "/dev/null");
    command.env("GIT_COMMITTER_DATE", "1700000000 +0000").env("GIT_AUTHOR_DATE", "1600000000 +0000");
    let output = command.output().expect("git starts");
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// `repo.git` and its submodule `sub.git`, bare, in `folder`.
pub(crate) fn make_repositories(folder: &Path) {
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
pub(crate) struct Daemon {
    process: Child,
    folder: TempDir,
    port: u16,
}

impl Daemon {
    /// Serves the repositories, or says why it cannot.
    pub(crate) fn start() -> Result<Self, String> {
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

    /// The URL of what ends in `rest`.
    pub(crate) fn url(&self, rest: &str) -> String {
        format!("git://127.0.0.1:{}/{rest}", self.port)
    }

    /// The digits of what `revision` names in `repo.git`.
    pub(crate) fn name_of(&self, revision: &str) -> String {
        git(&self.repository(), &["rev-parse", revision])
    }

    /// Where `repo.git` is.
    pub(crate) fn repository(&self) -> PathBuf {
        self.folder.path().join("repo.git")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Killing a process that has already ended is no failure of the test.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A daemon from before version 2 of the protocol: `git upload-pack` for each connection, which hears of no version. It
/// answers `connections` of them.
pub(crate) fn old_daemon(folder: &Path, connections: usize) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    let folder = folder.to_owned();
    std::thread::spawn(move || {
        for stream in listener.incoming().take(connections) {
            let mut stream = stream.expect("a connection");
            let mut length = [0; 4];
            stream.read_exact(&mut length).expect("a packet");
            let length = usize::from_str_radix(std::str::from_utf8(&length).expect("digits"), 16).expect("digits");
            let mut request = vec![0; length - 4];
            stream.read_exact(&mut request).expect("a packet");
            let path = request.split(|byte| *byte == 0).next().expect("a command");
            let path = std::str::from_utf8(path).expect("UTF-8").trim_start_matches("git-upload-pack /");
            let mut command = Command::new("git");
            command.args(["-c", "safe.directory=*", "upload-pack"]).arg(folder.join(path)).env_remove("GIT_PROTOCOL");
            let output = OwnedFd::from(stream.try_clone().expect("a second handle"));
            command.stdin(OwnedFd::from(stream)).stdout(output).stderr(Stdio::null());
            command.status().expect("git runs");
        }
    });
    port
}

/// git's CGI behind a web server.
pub(crate) fn smart_http(more: &str) -> Result<WebServer, String> {
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
