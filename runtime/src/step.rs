//! One thing that the new process does on its way from the clone to the exec.
//!
//! A step holds all its arguments ready for the system call, since the process that takes it cannot allocate.
//! `plan.rs` makes steps, `init.rs` takes them; here are only their shape and their words for error messages.

use std::ffi::{CStr, CString};
use std::fmt;
use std::os::fd::{OwnedFd, RawFd};

use rustix::mount::MountFlags;
use rustix::process::{Gid, Resource, Rlimit, Uid};
use rustix::thread::CapabilitySet;

use crate::mount::Access;
use crate::namespaces::Namespaces;

/// A step. The order in which they come is in `plan.rs`.
#[derive(Debug)]
pub(crate) enum Step {
    /// Close every descriptor but the standard streams and these, sorted.
    CloseOthers(Vec<RawFd>),
    /// Be killed when the thread that made this process ends.
    DieWithParent,
    /// Wait until the parent has put this process into its cgroups.
    AwaitPlacement,
    /// Join the namespaces of another sandbox's process.
    JoinNamespaces(Namespaces),
    /// Go on in a child, which is in the pid namespace that was joined; this process ends.
    GoOnInChild,
    SetUmask(u32),
    NewSession,
    NewCgroupNamespace,
    /// Keep what is mounted from now on in this mount namespace.
    MakeMountsPrivate,
    /// Leave a chroot that dhow itself may live in, so that no outer tree can be reached.
    EnterNamespaceRoot,
    /// Write files to a tmpfs and keep a detached mount of each.
    StageFiles(Vec<StagedFile>),
    /// Attach the root and make it `/`.
    PivotRoot {
        root: OwnedFd,
        access: Access,
    },
    /// Let go of all that was mounted outside the root.
    LeaveOldRoot,
    Mount(FileSystem),
    /// Attach a detached mount.
    Attach {
        tree: OwnedFd,
        target: CString,
    },
    /// Make a directory or an empty file, with its parents, unless the path exists.
    Ensure {
        path: CString,
        kind: NodeKind,
    },
    /// Make the working directory, with its parents, unless it exists.
    MakeWorkingDirectory(CString),
    MakeDevice {
        path: CString,
        number: u64,
    },
    MakeSymlink {
        target: &'static CStr,
        path: CString,
    },
    SetHostname(Vec<u8>),
    BringLoopbackUp,
    /// Hide a file behind `/dev/null` or a directory behind an empty one.
    Mask(CString),
    /// Make a path read-only by a bind mount of itself.
    MakeReadOnly(CString),
    /// Make a pseudo terminal the standard streams and send its other side to the parent.
    OpenTerminal {
        rows: u16,
        columns: u16,
    },
    /// Show the terminal at `/dev/console`.
    BindConsole,
    /// Put descriptors in the place of the standard streams.
    SetStreams([Option<OwnedFd>; 3]),
    /// Let the program's user open its standard streams anew by way of /dev/stdout.
    OwnStream {
        stream: usize,
        uid: Uid,
    },
    /// Tell the parent that the sandbox stands and wait for its word.
    AwaitStart,
    SetOomScore(Vec<u8>),
    SetRlimit {
        resource: Resource,
        limit: Rlimit,
    },
    ChangeDirectory(CString),
    /// Give up every capability but these for all programs to come.
    LimitBoundingSet(CapabilitySet),
    /// Keep the permitted capabilities while the user changes.
    KeepCapabilities,
    SetGroups(Vec<Gid>),
    BecomeGroup(Gid),
    BecomeUser(Uid),
    /// Get back the right to install a filter after the user has changed.
    RaiseCapabilities(CapabilitySet),
    ForbidNewPrivileges,
    SetSeccompFilter(Vec<libc::sock_filter>),
    SetCapabilities(CapabilitySet),
}

/// What [`Step::Ensure`] makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NodeKind {
    Directory,
    File,
}

/// A file system for [`Step::Mount`].
#[derive(Debug)]
pub(crate) struct FileSystem {
    pub(crate) name: &'static CStr,
    pub(crate) target: CString,
    pub(crate) flags: MountFlags,
    pub(crate) data: CString,
    /// What is attached where the kernel refuses a fresh one with EPERM.
    pub(crate) fallback: Option<OwnedFd>,
}

/// A file for [`Step::StageFiles`].
#[derive(Debug)]
pub(crate) struct StagedFile {
    /// A name that no other file of the step has.
    pub(crate) name: CString,
    pub(crate) content: Vec<u8>,
    pub(crate) mode: u32,
    pub(crate) owner: (Uid, Gid),
    /// An open descriptor whose number the detached mount takes over.
    pub(crate) slot: RawFd,
    pub(crate) access: Access,
}

impl fmt::Display for Step {
    /// The step as the words after `cannot`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mount(fs) => write!(f, "mount {} at `{}`", fs.name.to_string_lossy(), text(&fs.target)),
            Self::Attach { target, .. } => write!(f, "mount at `{}`", text(target)),
            Self::Ensure { path, .. } => write!(f, "make the mount point `{}`", text(path)),
            Self::MakeWorkingDirectory(path) => {
                write!(f, "make the working directory `{}`", text(path))
            }
            Self::MakeDevice { path, .. } => write!(f, "make the device `{}`", text(path)),
            Self::MakeSymlink { path, .. } => write!(f, "make the link `{}`", text(path)),
            Self::SetHostname(name) => {
                write!(f, "set the host name `{}`", String::from_utf8_lossy(name))
            }
            Self::Mask(path) => write!(f, "mask `{}`", text(path)),
            Self::MakeReadOnly(path) => write!(f, "make `{}` read-only", text(path)),
            Self::SetRlimit { resource, .. } => write!(f, "set the resource limit {resource:?}"),
            Self::ChangeDirectory(path) => {
                write!(f, "change to the working directory `{}`", text(path))
            }
            Self::SetGroups(groups) => {
                let ids: Vec<String> = groups.iter().map(|gid| gid.as_raw().to_string()).collect();
                write!(f, "set groups {}", ids.join(","))
            }
            Self::BecomeGroup(gid) => write!(f, "become group {}", gid.as_raw()),
            Self::BecomeUser(uid) => write!(f, "become user {}", uid.as_raw()),
            other => f.write_str(other.plain_words()),
        }
    }
}

impl Step {
    /// The words of the steps that hold nothing worth naming.
    fn plain_words(&self) -> &'static str {
        match self {
            Self::CloseOthers(_) => "close inherited files",
            Self::DieWithParent => "tie the process to its parent",
            Self::AwaitPlacement | Self::AwaitStart => "hear from the parent process",
            Self::JoinNamespaces(_) => "join the container's namespaces",
            Self::GoOnInChild => "make a process in the container",
            Self::NewSession => "start a session",
            Self::NewCgroupNamespace => "enter a new cgroup namespace",
            Self::MakeMountsPrivate => "make mounts private",
            Self::EnterNamespaceRoot => "enter the root of the mount namespace",
            Self::StageFiles(_) => "write files into memory",
            Self::PivotRoot { .. } => "mount the root",
            Self::LeaveOldRoot => "leave the old root",
            Self::BringLoopbackUp => "bring up the loopback interface",
            Self::OpenTerminal { .. } => "open a pseudo terminal",
            Self::BindConsole => "mount the terminal at `/dev/console`",
            Self::SetStreams(_) | Self::OwnStream { .. } => "set up the standard streams",
            Self::SetOomScore(_) => "set the out-of-memory score",
            Self::LimitBoundingSet(_) | Self::KeepCapabilities => "limit capabilities",
            Self::RaiseCapabilities(_) | Self::SetCapabilities(_) => "set capabilities",
            Self::ForbidNewPrivileges => "forbid new privileges",
            Self::SetSeccompFilter(_) => "install the seccomp filter",
            _ => "set up the process",
        }
    }
}

fn text(path: &CStr) -> std::borrow::Cow<'_, str> {
    path.to_string_lossy()
}
