//! Debian's `docker-registry` (registry:2) on a free loopback port.

use std::fs;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

pub struct DebianRegistry {
    process: Child,
    pub address: String,
    pub directory: TempDir,
}

impl DebianRegistry {
    /// `None`, aloud, where it is not installed.
    pub fn start(auth: &str) -> Option<Self> {
        let directory = tempfile::tempdir().expect("a directory");
        Self::start_in(directory, auth)
    }

    pub fn start_in(directory: TempDir, auth: &str) -> Option<Self> {
        let free = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = free.local_addr().expect("an address").to_string();
        drop(free);
        let root = directory.path().display();
        let config = format!(
            "version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\n\
             storage: {{filesystem: {{rootdirectory: {root}}}, delete: {{enabled: true}}}}\n\
             http: {{addr: {address}}}\n{auth}\n"
        );
        let path = directory.path().join("config.yml");
        fs::write(&path, config).expect("a file");
        let mut command = Command::new("docker-registry");
        command.arg("serve").arg(&path).stdout(Stdio::null()).stderr(Stdio::null());
        let process = match command.spawn() {
            Ok(process) => process,
            Err(error) => {
                eprintln!("SKIP: no `docker-registry` (Debian's package of that name): {error}");
                return None;
            }
        };
        let registry = Self { process, address, directory };
        registry.wait();
        Some(registry)
    }

    fn wait(&self) {
        let end = Instant::now() + Duration::from_secs(20);
        while std::net::TcpStream::connect(&self.address).is_err() {
            assert!(Instant::now() < end, "docker-registry did not start");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Ends it and keeps its data.
    pub fn stop(mut self) -> TempDir {
        self.end();
        std::mem::replace(&mut self.directory, tempfile::tempdir().expect("a directory"))
    }

    fn end(&mut self) {
        self.process.kill().expect("it runs");
        self.process.wait().expect("it ends");
    }
}

impl Drop for DebianRegistry {
    fn drop(&mut self) {
        if matches!(self.process.try_wait(), Ok(None)) {
            self.end();
        }
    }
}
