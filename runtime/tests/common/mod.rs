//! A root file system of busybox, and programs run in it.
#![allow(dead_code, missing_docs, clippy::print_stderr)]

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use dhow_runtime::{Bundle, Error, Exit, Process, Rootfs, Sandbox, Stdio};

/// Where Debian's package busybox-static puts its program.
pub(crate) const BUSYBOX: &str = "/bin/busybox";

const APPLETS: &str = "sh cat ls echo true false id hostname env pwd sleep kill mount umount stat test touch mkdir rm \
                       rmdir mknod ip ps wc grep head tail tty stty sort unshare cp mv ln chmod chown dd seq trap \
                       readlink setsid uname tr cut awk nproc yes chroot find";

/// A root to run programs in.
pub(crate) struct BusyboxRoot {
    dir: tempfile::TempDir,
}

impl BusyboxRoot {
    /// A fresh root, or `None` (said aloud) on a machine without a static busybox.
    pub(crate) fn new() -> Option<Self> {
        if !Path::new(BUSYBOX).exists() {
            skip(&format!("no {BUSYBOX}; install the package busybox-static"));
            return None;
        }
        let root = Self { dir: tempfile::tempdir().unwrap() };
        for dir in ["bin", "etc", "tmp", "root", "home/alice"] {
            fs::create_dir_all(root.path().join(dir)).unwrap();
        }
        fs::set_permissions(root.path().join("tmp"), std::os::unix::fs::PermissionsExt::from_mode(0o1777)).unwrap();
        fs::copy(BUSYBOX, root.path().join("bin/busybox")).unwrap();
        for applet in APPLETS.split_whitespace() {
            symlink("busybox", root.path().join("bin").join(applet)).unwrap();
        }
        root.write("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nalice:x:1000:1000::/home/alice:/bin/sh\n");
        root.write("etc/group", "root:x:0:\nalice:x:1000:\nstaff:x:50:alice\n");
        Some(root)
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn write(&self, path: &str, content: &str) {
        fs::write(self.path().join(path), content).unwrap();
    }

    /// Copies a dynamically linked program of the host with what it loads; says aloud when that cannot be.
    pub(crate) fn add_host_program(&self, path: &str) -> bool {
        let listed = std::process::Command::new("ldd").arg(path).output();
        let Ok(listed) = listed.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()) else {
            skip("no ldd");
            return false;
        };
        let libraries = listed.split_whitespace().filter(|word| word.starts_with('/'));
        for file in libraries.chain([path]) {
            let target = self.path().join(file.trim_start_matches('/'));
            fs::create_dir_all(target.parent().unwrap()).unwrap();
            if let Err(error) = fs::copy(file, &target) {
                skip(&format!("cannot copy {file}: {error}"));
                return false;
            }
        }
        true
    }

    /// A default bundle for a command in this root.
    pub(crate) fn bundle(&self, args: &[&str]) -> Bundle {
        let mut process = Process::new(args.iter().copied());
        process.env = vec![OsString::from("PATH=/bin")];
        Bundle::docker_default(Rootfs::Dir(self.path().to_owned()), process)
    }

    /// A default bundle for a line of shell.
    pub(crate) fn shell(&self, line: &str) -> Bundle {
        self.bundle(&["/bin/sh", "-c", line])
    }

    /// Every path in the root, sorted.
    pub(crate) fn listing(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut ahead = vec![self.path().to_owned()];
        while let Some(dir) = ahead.pop() {
            for entry in fs::read_dir(dir).unwrap() {
                let entry = entry.unwrap();
                if entry.file_type().unwrap().is_dir() {
                    ahead.push(entry.path());
                }
                found.push(entry.path());
            }
        }
        found.sort();
        found
    }
}

/// Whether this is root; said aloud when not.
pub(crate) fn wants_root() -> bool {
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        eprintln!("SKIP: this test needs root");
    }
    is_root
}

/// Says why a test does not run; with `DHOW_TEST_NO_SKIP` set, as on a machine that has all, that is a failure.
pub(crate) fn skip(reason: &str) {
    assert!(std::env::var_os("DHOW_TEST_NO_SKIP").is_none(), "nothing may skip here, but: {reason}");
    eprintln!("SKIP: {reason}");
}

/// What a program said and how it ended.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub stdout: String,
    pub stderr: String,
    pub exit: Exit,
}

/// Runs a bundle to its end.
pub(crate) fn run(bundle: Bundle) -> Result<Outcome, Error> {
    let mut running = Sandbox::create(bundle, Stdio::output())?.start()?;
    let mut stdout = File::from(running.take_stdout().unwrap());
    let mut stderr = File::from(running.take_stderr().unwrap());
    let errors = std::thread::spawn(move || read(&mut stderr));
    let stdout = read(&mut stdout);
    let exit = running.wait()?;
    Ok(Outcome { stdout, stderr: errors.join().unwrap(), exit })
}

fn read(file: &mut File) -> String {
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// An example of this crate, built beside its tests.
pub(crate) fn example(name: &str) -> Option<PathBuf> {
    let path = std::env::current_exe().ok()?.parent()?.parent()?.join("examples").join(name);
    if !path.exists() {
        skip(&format!("{} is not built", path.display()));
        return None;
    }
    Some(path)
}

/// How many processes of this machine have this word among their arguments.
pub(crate) fn count_processes(word: &str) -> usize {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let arguments = entries.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    arguments.filter(|line| line.split(|byte| *byte == 0).any(|argument| argument == word.as_bytes())).count()
}

/// Waits for a condition that must come true soon.
pub(crate) fn wait_until(condition: impl Fn() -> bool) {
    let begin = std::time::Instant::now();
    while !condition() {
        assert!(begin.elapsed() < std::time::Duration::from_secs(20), "waited in vain");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

/// Who a test works as when it is not to be root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum User {
    /// `dhowtest`, who has subordinate ids; made when missing.
    WithSubordinateIds,
    /// An id that no account has.
    WithoutAccount,
}

impl User {
    /// Copies an example beside the root and gives both to the user; `None`, said aloud, where that cannot be.
    pub(crate) fn example(self, name: &str, root: &Path) -> Option<PathBuf> {
        let program = root.join(name);
        fs::copy(example(name)?, &program).unwrap();
        if !rustix::process::geteuid().is_root() {
            return self.is_myself().then_some(program);
        }
        if self == Self::WithSubordinateIds && !make_test_user() {
            return None;
        }
        let owner = match self {
            Self::WithSubordinateIds => "dhowtest",
            Self::WithoutAccount => "54321",
        };
        let given = std::process::Command::new("chown").args(["-hR", owner]).arg(root).status().unwrap();
        assert!(given.success());
        Some(program)
    }

    /// An ordinary user who runs the tests can be no other than itself.
    fn is_myself(self) -> bool {
        let subordinate = fs::read_to_string("/etc/subuid").unwrap_or_default();
        let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
        let uid = rustix::process::getuid().as_raw().to_string();
        let line = passwd.lines().find(|line| line.split(':').nth(2) == Some(&uid)).unwrap_or_default();
        let name = line.split(':').next().unwrap_or_default();
        let has_ids = subordinate.lines().any(|line| line.split(':').next() == Some(name));
        let is_me = has_ids == (self == Self::WithSubordinateIds);
        if !is_me {
            eprintln!("SKIP: the tests run as user {uid}, who cannot be {self:?}");
        }
        is_me
    }

    /// A command that runs as the user.
    pub(crate) fn command(self, program: &Path) -> std::process::Command {
        if !rustix::process::geteuid().is_root() {
            return std::process::Command::new(program);
        }
        let (user, group) = match self {
            Self::WithSubordinateIds => ("dhowtest".to_owned(), primary_group("dhowtest")),
            Self::WithoutAccount => ("54321".to_owned(), "54321".to_owned()),
        };
        let mut command = std::process::Command::new("setpriv");
        command.args(["--reuid", &user, "--regid", &group, "--clear-groups"]);
        command.arg(program);
        command
    }
}

fn primary_group(user: &str) -> String {
    let passwd = fs::read_to_string("/etc/passwd").unwrap();
    let line = passwd.lines().find(|line| line.split(':').next() == Some(user)).unwrap();
    line.split(':').nth(3).unwrap().to_owned()
}

/// Makes the user `dhowtest` unless it is there; one test at a time.
fn make_test_user() -> bool {
    let lock = File::create(std::env::temp_dir().join("dhowtest.lock")).unwrap();
    lock.lock().unwrap();
    let has_line =
        |path: &str| fs::read_to_string(path).unwrap_or_default().lines().any(|line| line.starts_with("dhowtest:"));
    let exists = has_line("/etc/passwd") && has_line("/etc/subuid");
    let made = exists
        || std::process::Command::new("useradd")
            .args(["--no-create-home", "--shell", "/bin/sh", "dhowtest"])
            .status()
            .is_ok_and(|status| status.success());
    if !made || !Path::new("/usr/bin/newuidmap").exists() {
        skip("no user `dhowtest` with subordinate ids; packages passwd and uidmap make one possible");
        return false;
    }
    true
}
