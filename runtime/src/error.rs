//! What can go wrong in this crate, said by step and by value, with the remedy as a hint.
//!
//! Does not print and does not choose exit codes beyond those that Docker defines for a program that cannot start.

use std::io;
use std::path::{Path, PathBuf};

/// Why a sandbox, a container or the change of privilege failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A value of the bundle cannot be used.
    #[error("invalid {what} `{value}`")]
    InvalidValue {
        /// The field, such as `environment variable`.
        what: &'static str,
        /// The value as text.
        value: String,
    },
    /// A mount of the bundle cannot be made ready.
    #[error("cannot prepare the mount of `{}` at `{}`", source_path.display(), target.display())]
    Mount {
        /// What was to be mounted: a path of the host or the name of a file system.
        source_path: PathBuf,
        /// Where, in the container.
        target: PathBuf,
        /// The system call's error.
        #[source]
        source: io::Error,
    },
    /// A step in the new process failed before the program was started.
    #[error("cannot {step} in the sandbox")]
    Setup {
        /// What was tried, such as ``mount proc at `/proc` ``.
        step: String,
        /// The system call's error.
        #[source]
        source: io::Error,
    },
    /// The program cannot be executed.
    #[error("cannot execute `{program}`: {problem}")]
    Exec {
        /// The first argument as given.
        program: String,
        /// What is wrong with it.
        problem: ExecProblem,
    },
    /// The kernel lacks system calls that a sandbox is made with.
    #[error("Linux {release} is too old to run programs in a sandbox")]
    KernelTooOld {
        /// Its release, as `uname -r` prints it.
        release: String,
        /// The oldest version that will do: major and minor number.
        oldest: (u32, u32),
    },
    /// The new process ended before it reported anything.
    #[error("the sandbox's first process ended during set-up ({status})")]
    Died {
        /// How it ended, in words.
        status: String,
    },
    /// `USER` names nobody in the image's account files.
    #[error("unable to find {kind} `{name}`: no matching entries in {file}")]
    UnknownUser {
        /// `user` or `group`.
        kind: &'static str,
        /// The name.
        name: String,
        /// `passwd file` or `group file`.
        file: &'static str,
    },
    /// A limit was asked for that this machine's cgroups cannot hold.
    #[error("cannot limit {resource}: {reason}")]
    Limit {
        /// `memory`, `cpus`, `pids`, `cpuset` or `processes`.
        resource: &'static str,
        /// Why not.
        reason: String,
    },
    /// The cgroup that a sandbox's was to be made below does not exist.
    #[error("there is no cgroup `{}` in `{}`", parent.display(), hierarchy.display())]
    NoCgroupParent {
        /// As it was asked for.
        parent: PathBuf,
        /// The directory of the hierarchy that was looked at.
        hierarchy: PathBuf,
    },
    /// A file or a directory of this crate's own state failed.
    #[error("cannot {action} `{}`", path.display())]
    Io {
        /// The verb, such as `read`.
        action: &'static str,
        /// The path.
        path: PathBuf,
        /// The system call's error.
        #[source]
        source: io::Error,
    },
    /// A system call on no particular file failed.
    #[error("cannot {action}")]
    System {
        /// What was tried.
        action: &'static str,
        /// The system call's error.
        #[source]
        source: io::Error,
    },
    /// A state file of a container does not hold what it should.
    #[error("`{}` is damaged", path.display())]
    Corrupt {
        /// The state file.
        path: PathBuf,
        /// The parser's error.
        #[source]
        source: serde_json::Error,
    },
    /// No container has this name or id.
    #[error("no such container: `{0}`")]
    NoSuchContainer(String),
    /// The beginning of an id fits several containers.
    #[error("`{0}` is the beginning of several container ids")]
    AmbiguousId(String),
    /// The name is another container's.
    #[error("the container name `{name}` is already in use by container `{id}`")]
    NameInUse {
        /// The name.
        name: String,
        /// The id of its owner.
        id: String,
    },
    /// The container's state does not allow what was asked.
    #[error("cannot {action} container `{container}`: it is {state}")]
    WrongState {
        /// The verb, such as `remove`.
        action: &'static str,
        /// Name or id.
        container: String,
        /// `running`, `exited` and so on.
        state: String,
    },
    /// A further program could not be started in a container.
    #[error("{said}")]
    Entry {
        /// What the container's supervisor said.
        said: String,
        /// Docker's code for it.
        exit_code: i32,
    },
    /// The detached supervisor did not start the container.
    #[error("cannot start the container: {said}")]
    Supervisor {
        /// What the supervisor said.
        said: String,
        /// The code that it ended with.
        exit_code: i32,
    },
}

/// This crate's result.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a program cannot be executed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExecProblem {
    /// No such file, by path or in any directory of `PATH`.
    #[error("no such file or directory")]
    NotFound,
    /// No file of that name in the directories of `PATH`.
    #[error("executable file not found in `PATH` (`{0}`)")]
    NotInPath(String),
    /// The file is there and is no executable file, or a directory on the way is closed.
    #[error("permission denied")]
    NotExecutable,
    /// The file is a script whose `#!` interpreter is missing.
    #[error("its interpreter `{0}` does not exist")]
    MissingInterpreter(String),
    /// The file is dynamically linked and its loader is missing.
    #[error("its loader `{0}` does not exist")]
    MissingLoader(String),
    /// The file is a program of another processor architecture.
    #[error("exec format error: it is a program for {program}, this machine is {machine}")]
    ForeignArchitecture {
        /// The program's architecture.
        program: String,
        /// This machine's.
        machine: String,
    },
    /// The kernel does not know the file's format.
    #[error("exec format error")]
    Format,
    /// Anything else that the kernel said.
    #[error("{}", io::Error::from_raw_os_error(*.0))]
    Other(i32),
}

impl ExecProblem {
    /// Docker's exit code for it: 127 when there is nothing to execute, 126 when it cannot be executed.
    #[must_use]
    pub fn exit_code(&self) -> i32 {
        match self {
            Self::NotFound | Self::NotInPath(_) | Self::MissingInterpreter(_) | Self::MissingLoader(_) => 127,
            _ => 126,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NotFound | Self::NotInPath(_) => "check the spelling, and that the image contains the program".into(),
            Self::NotExecutable => "give the file the right to be executed (chmod +x)".into(),
            Self::MissingInterpreter(path) => {
                format!("install `{path}` in the image, or correct the script's first line (a CR at its end counts)")
            }
            Self::MissingLoader(_) => {
                "the program was linked for another C library: use a matching base image or a static program".into()
            }
            Self::ForeignArchitecture { program, .. } => {
                format!(
                    "use an image for this machine, or register an emulator for {program} (package qemu-user-static)"
                )
            }
            Self::Format => "a script needs a first line such as `#!/bin/sh`".into(),
            Self::Other(_) => return None,
        })
    }
}

impl Error {
    /// The exit code that Docker gives this failure: 126, 127, or 125 for all that is not the program's fault.
    #[must_use]
    pub fn exit_code(&self) -> i32 {
        match self {
            Self::Exec { problem, .. } => problem.exit_code(),
            Self::Supervisor { exit_code, .. } | Self::Entry { exit_code, .. } => *exit_code,
            _ => 125,
        }
    }

    /// The remedy, where there is one to name.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Exec { problem, .. } => problem.hint(),
            Self::Setup { source, step } => setup_hint(step, source),
            Self::KernelTooOld { oldest: (major, minor), .. } => Some(format!(
                "use a machine with Linux {major}.{minor} or newer; what runs no program works here, such as pulls, pushes \
                 and builds without RUN"
            )),
            Self::UnknownUser { .. } => {
                Some("create it in the image (useradd, addgroup) or use a numeric id".to_owned())
            }
            Self::NoCgroupParent { parent, hierarchy } => {
                Some(format!("make it with `mkdir {}`, or leave the option out", below(hierarchy, parent).display()))
            }
            Self::Limit { .. } => Some("leave the limit out, or run as root with writable cgroups".to_owned()),
            Self::NoSuchContainer(_) => Some("`dhow ps -a` lists what there is".to_owned()),
            Self::NameInUse { .. } => Some("remove that container or choose another name".to_owned()),
            Self::WrongState { action: "remove", .. } => Some("stop it first, or use `--force`".to_owned()),
            _ => None,
        }
    }

    pub(crate) fn io(action: &'static str, path: impl Into<PathBuf>, source: impl Into<io::Error>) -> Self {
        Self::Io { action, path: path.into(), source: source.into() }
    }

    pub(crate) fn system(action: &'static str, source: impl Into<io::Error>) -> Self {
        Self::System { action, source: source.into() }
    }
}

/// `parent` below `hierarchy`, also if it begins with a slash.
fn below(hierarchy: &Path, parent: &Path) -> PathBuf {
    hierarchy.join(parent.strip_prefix("/").unwrap_or(parent))
}

fn setup_hint(step: &str, source: &io::Error) -> Option<String> {
    match source.raw_os_error() {
        Some(libc::EPERM | libc::EACCES) if step.starts_with("mount") => Some(
            "dhow needs the right to mount: run it as root, or as a user who may create user namespaces".to_owned(),
        ),
        Some(libc::EINVAL) if step.starts_with("become ") || step.starts_with("set groups") => Some(
            "the id is not mapped here: give this user subordinate ids in /etc/subuid and /etc/subgid and install \
             newuidmap (package uidmap)"
                .to_owned(),
        ),
        Some(libc::EPERM) if step.starts_with("set the resource limit") => Some(
            "a hard limit can only be lowered here: ask for less than `ulimit -H` shows, or run dhow with the capability \
             SYS_RESOURCE"
                .to_owned(),
        ),
        Some(libc::ENOSPC) => Some("a limit on namespaces is reached: see /proc/sys/user".to_owned()),
        _ => None,
    }
}
