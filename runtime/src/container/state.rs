//! What became of a container.

use std::fmt;
use std::fs;
use std::path::Path;

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// The part of a container that changes. Format version 1 of `state.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerState {
    /// Where it stands in its life.
    pub status: ContainerStatus,
    /// The program's process id while it runs, as its supervisor sees it.
    #[serde(default)]
    pub pid: Option<i32>,
    /// The program's exit code once it has ended.
    #[serde(default)]
    pub exit_code: Option<i32>,
    /// When the program was started, RFC 3339.
    #[serde(default)]
    pub started: Option<String>,
    /// When it ended, RFC 3339.
    #[serde(default)]
    pub finished: Option<String>,
    /// Whether the kernel killed something in it for want of memory.
    #[serde(default)]
    pub out_of_memory: bool,
    /// Why it could not run, or why no more is known of its end.
    #[serde(default)]
    pub error: Option<String>,
}

/// Where a container stands in its life. The spellings are Docker's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ContainerStatus {
    /// It has never run.
    Created,
    /// It runs.
    Running,
    /// It has run.
    Exited,
}

impl fmt::Display for ContainerStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Created => "created",
            Self::Running => "running",
            Self::Exited => "exited",
        })
    }
}

impl ContainerState {
    pub(crate) fn created() -> Self {
        Self {
            status: ContainerStatus::Created,
            pid: None,
            exit_code: None,
            started: None,
            finished: None,
            out_of_memory: false,
            error: None,
        }
    }

    /// What a state that says `running` means when nobody supervises the container any more.
    pub(crate) fn orphaned(mut self) -> Self {
        if self.status == ContainerStatus::Running {
            self.status = ContainerStatus::Exited;
            self.pid = None;
            self.exit_code = Some(128 + libc::SIGKILL);
            self.error = Some("the process that supervised the container was killed, and the container with it".into());
        }
        self
    }

    pub(crate) fn read(directory: &Path) -> Result<Self> {
        read_json(&directory.join("state.json"))
    }

    pub(crate) fn write(&self, directory: &Path) -> Result<()> {
        write_json(&directory.join("state.json"), self)
    }
}

pub(crate) fn read_json<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<T> {
    let text = fs::read(path).map_err(|error| Error::io("read", path, error))?;
    serde_json::from_slice(&text).map_err(|source| Error::Corrupt { path: path.to_owned(), source })
}

/// Replaces the file in one step, so that a reader sees the old or the new text, and so does one after a crash.
///
/// The two files change places, as ext4 writes a file to the disk when it is renamed over another one, and whoever
/// removes it soon after waits for that.
pub(crate) fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<()> {
    let failed = |error| Error::io("write", path, error);
    let text = serde_json::to_vec_pretty(value).map_err(|source| Error::Corrupt { path: path.to_owned(), source })?;
    let temporary = path.with_extension("json.new");
    fs::write(&temporary, text).map_err(failed)?;
    match renameat_with(CWD, &temporary, CWD, path, RenameFlags::EXCHANGE) {
        Ok(()) => fs::remove_file(&temporary).map_err(failed),
        // There is no old one, or the file system cannot exchange.
        Err(Errno::NOENT | Errno::INVAL | Errno::NOSYS) => fs::rename(&temporary, path).map_err(failed),
        Err(errno) => Err(failed(errno.into())),
    }
}

/// This moment, RFC 3339 in UTC.
pub(crate) fn now() -> String {
    jiff::Timestamp::now().to_string()
}
