//! A real SSH server: Debian's OpenSSH on a free loopback port, with keys and a config of its own.

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::context::text;
use crate::dhow::Dhow;
use crate::git_server::make_repositories;
use crate::registry::free_port;
use crate::skip::program;

/// A running server of two repositories; it ends when dropped.
pub(crate) struct Sshd {
    process: Child,
    folder: TempDir,
    port: u16,
}

impl Sshd {
    /// Serves the user who runs the tests, with `more` in its config, or says why it cannot.
    pub(crate) fn start(more: &str) -> Result<Self, String> {
        program("git")?;
        program("ssh-keygen")?;
        let folder = TempDir::with_prefix("dhow-sshd-").expect("a temporary folder");
        make_repositories(folder.path());
        for kind in ["ed25519", "rsa", "ecdsa"] {
            make_key(&folder.path().join(format!("host-{kind}")), &["-t", kind, "-N", ""]);
        }
        make_key(&folder.path().join("user"), &["-t", "ed25519", "-N", ""]);
        fs::copy(folder.path().join("user.pub"), folder.path().join("authorized")).expect("copies a key");
        Self::serve(folder, free_port(), more)
    }

    /// The same server with another config, at the same place.
    pub(crate) fn restart(mut self, more: &str) -> Self {
        self.end();
        let empty = TempDir::new().expect("a temporary folder");
        let folder = std::mem::replace(&mut self.folder, empty);
        Self::serve(folder, self.port, more).expect("it started before")
    }

    fn serve(folder: TempDir, port: u16, more: &str) -> Result<Self, String> {
        // The server wants to be started by its whole path, and a folder for a part of it without rights.
        let binary = program("sshd")?;
        let _ = fs::create_dir_all("/run/sshd");
        let config = format!(
            "{more}\nPort {port}\nListenAddress 127.0.0.1\nPidFile none\nUsePAM no\nStrictModes no\nPasswordAuthentication no\n\
             PermitRootLogin prohibit-password\nAuthorizedKeysFile FOLDER/authorized\nHostKey FOLDER/host-ed25519\n\
             HostKey FOLDER/host-rsa\nHostKey FOLDER/host-ecdsa\nMaxAuthTries 20\n"
        );
        let path = folder.path().join("config");
        fs::write(&path, config.replace("FOLDER", text(folder.path()))).expect("writes the config");
        let log = fs::File::create(folder.path().join("log")).expect("a log");
        let mut command = Command::new(binary);
        command.args(["-D", "-e", "-f"]).arg(&path).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let mut process = command.spawn().map_err(|error| format!("sshd: {error}"))?;
        let start = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let ended = process.try_wait().expect("a child");
            let log = || fs::read_to_string(folder.path().join("log")).unwrap_or_default();
            assert!(ended.is_none() && start.elapsed() < Duration::from_secs(20), "sshd does not answer: {}", log());
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(Self { process, folder, port })
    }

    /// Its port.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The address of the repository `repo.git`.
    pub(crate) fn url(&self) -> String {
        self.url_at(self.port)
    }

    /// The same by way of another port.
    pub(crate) fn url_at(&self, port: u16) -> String {
        let user = Command::new("id").arg("-un").output().expect("id runs").stdout;
        let user = String::from_utf8_lossy(&user).trim().to_owned();
        format!("ssh://{user}@127.0.0.1:{port}{}/repo.git", self.folder.path().display())
    }

    /// A file of it: `host-ed25519`, `user`, `authorized`, `log` …
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The line by which its host key of the type `kind` is known.
    pub(crate) fn known_host(&self, kind: &str) -> String {
        let key = fs::read_to_string(self.file(&format!("host-{kind}.pub"))).expect("a key");
        format!("[127.0.0.1]:{} {key}", self.port)
    }

    fn end(&mut self) {
        // Killing a process that has already ended is no failure of the test.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        self.end();
    }
}

/// Makes the key `path` and `path.pub`.
pub(crate) fn make_key(path: &Path, options: &[&str]) {
    let mut command = Command::new("ssh-keygen");
    let made = command.args(["-q", "-C", "test", "-f", text(path)]).args(options).status();
    assert!(made.expect("ssh-keygen runs").success(), "{}", path.display());
}

/// `dhow ARGUMENTS` by someone whose list of known hosts is `known`.
pub(crate) fn by_someone_who_knows(dhow: &Dhow, known: &str, arguments: &[&str]) -> Command {
    let home = dhow.folder().join("home");
    fs::create_dir_all(home.join(".ssh")).expect("creates a folder");
    fs::write(home.join(".ssh/known_hosts"), known).expect("writes a list");
    dhow.hand_over(&home);
    let mut command = dhow.command(arguments);
    command.env("HOME", home);
    command
}
