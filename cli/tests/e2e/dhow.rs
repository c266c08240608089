//! The program under test with a store of its own.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use crate::user;

/// dhow with a private store, removed when dropped.
pub(crate) struct Dhow {
    folder: TempDir,
    user: Option<&'static str>,
}

/// What a finished command printed and how it ended.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) code: Option<i32>,
}

impl Dhow {
    /// A fresh store, used by the user who runs the tests.
    pub(crate) fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("dhow-e2e-").tempdir().expect("a temporary folder");
        Self { folder, user: None }
    }

    /// A fresh store that belongs to the ordinary user `dhowtest`, who runs every command; or why not.
    pub(crate) fn as_ordinary_user() -> Result<Self, String> {
        user::ensure()?;
        let mut dhow = Self::new();
        // The build folder may be closed to others: the program comes along.
        let copy = dhow.folder().join("dhow");
        fs::copy(env!("CARGO_BIN_EXE_dhow"), copy).expect("copies the program");
        dhow.user = Some(user::NAME);
        dhow.hand_over(dhow.folder());
        Ok(dhow)
    }

    /// A folder below [`Dhow::folder`] for one build, removed when dropped.
    pub(crate) fn work_folder(&self) -> TempDir {
        let folder = TempDir::with_prefix_in("work-", self.folder()).expect("a temporary folder");
        self.hand_over(folder.path());
        folder
    }

    /// Gives `path` and everything below it to the user who runs dhow. A change of owner takes setuid and setgid away:
    /// files that have them get them back.
    pub(crate) fn hand_over(&self, path: &Path) {
        const SCRIPT: &str = "find \"$2\" -type f -perm /6000 -printf '%m %p\\0' >\"$3\" && chown -hR \"$1\" \"$2\" &&
            while read -r -d '' mode file; do chmod \"$mode\" \"$file\" || exit; done <\"$3\"";
        if let Some(user) = self.user {
            let modes = tempfile::NamedTempFile::new().expect("a temporary file");
            let mut shell = Command::new("bash");
            shell.args(["-c", SCRIPT, "hand-over", user]).arg(path).arg(modes.path());
            assert!(shell.status().expect("bash runs").success(), "chown {user} {}", path.display());
        }
    }

    /// A folder for the test's own files, beside the store.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The store's folder.
    pub(crate) fn store(&self) -> PathBuf {
        self.folder.path().join("store")
    }

    /// `dhow --root STORE ARGUMENTS...`, not yet started; standard input is empty.
    pub(crate) fn command<I, A>(&self, arguments: I) -> Command
    where
        I: IntoIterator<Item = A>,
        A: AsRef<OsStr>,
    {
        let binary = Path::new(env!("CARGO_BIN_EXE_dhow"));
        let mut command = match self.user {
            None => Command::new(binary),
            Some(user) => user::command(user, &self.folder().join("dhow")),
        };
        command.arg("--root").arg(self.store()).args(arguments).stdin(Stdio::null());
        command
    }

    /// Runs a command to its end.
    pub(crate) fn run<I, A>(&self, arguments: I) -> Finished
    where
        I: IntoIterator<Item = A>,
        A: AsRef<OsStr>,
    {
        Finished::from(self.command(arguments).output().expect("dhow starts"))
    }

    /// Runs a command that has to succeed; its standard output.
    #[track_caller]
    pub(crate) fn ok<I, A>(&self, arguments: I) -> String
    where
        I: IntoIterator<Item = A>,
        A: AsRef<OsStr>,
    {
        self.run(arguments).expect_success()
    }

    /// Runs a command that has to fail; what it printed on standard error.
    #[track_caller]
    pub(crate) fn fails<I, A>(&self, arguments: I) -> String
    where
        I: IntoIterator<Item = A>,
        A: AsRef<OsStr>,
    {
        self.run(arguments).expect_failure()
    }
}

impl Finished {
    /// Standard output of a command that succeeded.
    #[track_caller]
    pub(crate) fn expect_success(self) -> String {
        assert_eq!(self.code, Some(0), "dhow failed\n--- stdout\n{}\n--- stderr\n{}", self.stdout, self.stderr);
        self.stdout
    }

    /// Standard error of a command that failed with an exit code, not by a signal or a panic.
    #[track_caller]
    pub(crate) fn expect_failure(self) -> String {
        assert!(
            self.code.is_some_and(|code| code != 0 && code != 101),
            "dhow should have failed, it ended with {:?}\n--- stdout\n{}\n--- stderr\n{}",
            self.code,
            self.stdout,
            self.stderr
        );
        self.stderr
    }
}

impl From<Output> for Finished {
    fn from(output: Output) -> Self {
        Self {
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            code: output.status.code(),
        }
    }
}
