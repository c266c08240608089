//! A real registry: Debian's docker-registry on a free loopback port, with its storage in reach of the test.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::skip::program;
use crate::web::make_certificate;

/// A running registry; it ends when dropped.
pub(crate) struct Registry {
    process: Child,
    storage: TempDir,
    port: u16,
}

impl Registry {
    /// Starts one with an empty storage, or says why it cannot.
    pub(crate) fn start() -> Result<Self, String> {
        Self::start_in(TempDir::with_prefix("dhow-registry-").expect("a temporary folder"), "")
    }

    /// The same over TLS, with a certificate that no authority signed.
    pub(crate) fn start_tls() -> Result<Self, String> {
        program("openssl")?;
        let storage = TempDir::with_prefix("dhow-registry-").expect("a temporary folder");
        make_certificate(storage.path());
        let path = storage.path().display().to_string();
        Self::start_in(storage, &format!(", tls: {{certificate: {path}/certificate, key: {path}/key}}"))
    }

    fn start_in(storage: TempDir, tls: &str) -> Result<Self, String> {
        let binary = program("docker-registry")?;
        let port = free_port();
        let config = storage.path().join("config.yml");
        fs::write(
            &config,
            format!(
                "version: 0.1\nlog: {{level: error, accesslog: {{disabled: false}}}}\n\
                 storage: {{filesystem: {{rootdirectory: {}}}, delete: {{enabled: true}}}}\n\
                 http: {{addr: 127.0.0.1:{port}{tls}}}\n",
                storage.path().join("data").display()
            ),
        )
        .expect("writes the registry's config");
        let process = Command::new(binary)
            .arg("serve")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(fs::File::create(storage.path().join("access.log")).expect("creates a log"))
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("docker-registry: {error}"))?;
        let registry = Self { process, storage, port };
        registry.wait_until_it_answers();
        Ok(registry)
    }

    fn wait_until_it_answers(&self) {
        let start = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(start.elapsed() < Duration::from_secs(20), "docker-registry does not answer");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// `127.0.0.1:PORT/NAME`.
    pub(crate) fn image(&self, name: &str) -> String {
        format!("127.0.0.1:{}/{name}", self.port)
    }

    /// The requests since the last call, `GET /v2/…` each, without those that only ask whether a registry is there.
    pub(crate) fn requests(&self) -> Vec<String> {
        let log = self.storage.path().join("access.log");
        let text = fs::read_to_string(&log).expect("the registry's log");
        fs::File::options().write(true).truncate(true).open(&log).expect("the registry's log");
        let requests = text.lines().filter_map(|line| line.split('"').nth(1));
        requests
            .filter_map(|request| request.rsplit_once(" HTTP"))
            .filter(|(request, _)| !request.ends_with("/v2/"))
            .map(|(request, _)| request.trim_start_matches('\0').to_owned())
            .collect()
    }

    /// Every blob's file in the registry's storage, largest first.
    pub(crate) fn blobs(&self) -> Vec<PathBuf> {
        let mut blobs = Vec::new();
        collect_data(&self.storage.path().join("data/docker/registry/v2/blobs"), &mut blobs);
        blobs.sort_by_key(|path| std::cmp::Reverse(fs::metadata(path).map_or(0, |m| m.len())));
        blobs
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        // Killing a process that has already ended is no failure of the test.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A port of the loopback that nothing listens on.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port");
    listener.local_addr().expect("an address").port()
}

fn collect_data(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the registry's storage") {
        let path = entry.expect("a readable folder").path();
        if path.is_dir() {
            collect_data(&path, found);
        } else if path.ends_with("data") {
            found.push(path);
        }
    }
}
