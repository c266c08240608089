//! What to execute in a sandbox, and as whom: the words of the OCI runtime spec's `process`.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::capabilities::CapabilitySet;
use crate::user::User;

/// The program that becomes process 1 of the sandbox.
#[derive(Debug, Clone)]
pub struct Process {
    /// `argv`; the first is looked up in the `PATH` of `env` inside the root unless it has a slash. Never empty.
    pub args: Vec<OsString>,
    /// The whole environment, each `KEY=value`.
    pub env: Vec<OsString>,
    /// Working directory in the container; made when missing, as Docker does.
    pub cwd: PathBuf,
    /// Who runs it.
    pub user: User,
    /// What it may do. For a user other than 0 this is the bounding set only, as in Docker.
    pub capabilities: CapabilitySet,
    /// Whether set-user-id programs and file capabilities still work inside.
    pub privileges: Privileges,
    /// Resource limits; those not named are inherited.
    pub rlimits: Vec<Rlimit>,
    /// `-1000..=1000` for the kernel's out-of-memory killer; `None` inherits.
    pub oom_score_adj: Option<i32>,
}

impl Process {
    /// `args` as root in `/`, with Docker's capabilities and an empty environment.
    #[must_use]
    pub fn new(args: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        Self {
            args: args.into_iter().map(Into::into).collect(),
            env: Vec::new(),
            cwd: PathBuf::from("/"),
            user: User::root(),
            capabilities: CapabilitySet::docker_default(),
            privileges: Privileges::MayGain,
            rlimits: Vec::new(),
            oom_score_adj: None,
        }
    }
}

/// The choice behind `--security-opt no-new-privileges`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Privileges {
    /// Docker's default: set-user-id programs work.
    MayGain,
    /// `PR_SET_NO_NEW_PRIVS` is set.
    NoNew,
}

/// One resource limit, as `--ulimit` sets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rlimit {
    /// Of what.
    pub resource: RlimitResource,
    /// The limit that is enforced; `None` is unlimited.
    pub soft: Option<u64>,
    /// How far the process may raise the soft one; `None` is unlimited.
    pub hard: Option<u64>,
}

/// The resources of setrlimit(2), in their units: bytes, seconds or numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum RlimitResource {
    Core,
    Cpu,
    Data,
    Fsize,
    Locks,
    Memlock,
    Msgqueue,
    Nice,
    Nofile,
    Nproc,
    Rss,
    Rtprio,
    Rttime,
    Sigpending,
    Stack,
    As,
}

impl RlimitResource {
    pub(crate) fn to_kernel(self) -> rustix::process::Resource {
        use rustix::process::Resource;
        match self {
            Self::Core => Resource::Core,
            Self::Cpu => Resource::Cpu,
            Self::Data => Resource::Data,
            Self::Fsize => Resource::Fsize,
            Self::Locks => Resource::Locks,
            Self::Memlock => Resource::Memlock,
            Self::Msgqueue => Resource::Msgqueue,
            Self::Nice => Resource::Nice,
            Self::Nofile => Resource::Nofile,
            Self::Nproc => Resource::Nproc,
            Self::Rss => Resource::Rss,
            Self::Rtprio => Resource::Rtprio,
            Self::Rttime => Resource::Rttime,
            Self::Sigpending => Resource::Sigpending,
            Self::Stack => Resource::Stack,
            Self::As => Resource::As,
        }
    }
}
