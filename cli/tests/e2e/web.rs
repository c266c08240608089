//! A real web server: Debian's lighttpd on a free loopback port, with or without TLS.

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::registry::free_port;
use crate::skip::program;

/// A running server; it ends when dropped.
pub(crate) struct WebServer {
    process: Child,
    folder: TempDir,
    url: String,
}

impl WebServer {
    /// Serves an empty folder, or says why it cannot.
    pub(crate) fn start() -> Result<Self, String> {
        Self::with("http", "")
    }

    /// The same over TLS, with a certificate for `localhost` that nobody signed but itself.
    pub(crate) fn start_tls() -> Result<Self, String> {
        program("openssl")?;
        Self::with(
            "https",
            "server.modules += (\"mod_openssl\")\nssl.engine = \"enable\"\nssl.pemfile = \"FOLDER/pem\"\n",
        )
    }

    /// The same with `more` in its config, in which `FOLDER` stands for its folder.
    pub(crate) fn with(scheme: &str, more: &str) -> Result<Self, String> {
        let binary = program("lighttpd")?;
        let folder = TempDir::with_prefix("dhow-web-").expect("a temporary folder");
        fs::create_dir(folder.path().join("files")).expect("creates a folder");
        if scheme == "https" {
            make_certificate(folder.path());
        }
        let port = free_port();
        let config = format!(
            "server.modules = (\"mod_accesslog\", \"mod_auth\", \"mod_setenv\", \"mod_redirect\")\nserver.port = {port}\n\
             server.bind = \"127.0.0.1\"\nserver.document-root = \"FOLDER/files\"\naccesslog.filename = \"FOLDER/log\"\n\
             accesslog.format = \"%r %s\"\nmimetype.assign = (\"\" => \"application/octet-stream\")\n\
             url.redirect = (\"^/moved/(.*)\" => \"/$1\")\n{more}"
        );
        let path = folder.path().join("config");
        fs::write(&path, config.replace("FOLDER", folder.path().to_str().expect("UTF-8"))).expect("writes the config");
        let mut command = Command::new(binary);
        command.arg("-D").arg("-f").arg(&path).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let process = command.spawn().map_err(|error| format!("lighttpd: {error}"))?;
        let start = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(start.elapsed() < Duration::from_secs(20), "lighttpd does not answer");
            std::thread::sleep(Duration::from_millis(20));
        }
        let host = if scheme == "https" { "localhost" } else { "127.0.0.1" };
        Ok(Self { process, folder, url: format!("{scheme}://{host}:{port}") })
    }

    /// The URL of the file `path`.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}/{path}", self.url)
    }

    /// The folder that is served.
    pub(crate) fn files(&self) -> PathBuf {
        self.folder.path().join("files")
    }

    /// The authority that signed the server's certificate.
    pub(crate) fn authority(&self) -> PathBuf {
        self.folder.path().join("certificate")
    }

    /// The requests since the last call, `GET /path 200` each.
    pub(crate) fn requests(&self) -> Vec<String> {
        // lighttpd writes its log when it has nothing else to do, and on SIGHUP.
        let hangup = Command::new("kill").args(["-HUP", &self.process.id().to_string()]).status();
        assert!(hangup.expect("kill runs").success());
        std::thread::sleep(Duration::from_millis(1500));
        let log = self.folder.path().join("log");
        let text = fs::read_to_string(&log).unwrap_or_default();
        fs::File::options().write(true).truncate(true).open(&log).expect("the server's log");
        text.lines().map(|line| line.trim_start_matches('\0').replace(" HTTP/1.1", "")).collect()
    }
}

impl Drop for WebServer {
    fn drop(&mut self) {
        // Killing a process that has already ended is no failure of the test.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A key and a certificate for `localhost` that nobody signed but itself, in `folder`.
pub(crate) fn make_certificate(folder: &Path) {
    let mut command = Command::new("openssl");
    command.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]);
    command.args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]);
    command.args(["-addext", "basicConstraints=CA:FALSE", "-keyout", "key", "-out", "certificate"]);
    let output = command.current_dir(folder).output().expect("openssl runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let read = |name: &str| fs::read_to_string(folder.join(name)).expect("what openssl wrote");
    fs::write(folder.join("pem"), read("key") + &read("certificate")).expect("writes a file");
}
