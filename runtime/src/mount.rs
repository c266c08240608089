//! What appears where in a container's tree: the words of the OCI runtime spec's `mounts`.
//!
//! Only values; `plan.rs` turns them into system calls.

use std::os::fd::OwnedFd;
use std::path::PathBuf;

/// One mount. Mounts are made in the order of the bundle, so a later one may lie inside an earlier one.
#[derive(Debug)]
pub struct Mount {
    /// Absolute path in the container. Symbolic links on the way are followed inside the root. A missing mount
    /// point is made for the time of the run and is gone after it, unless the program put something there.
    pub target: PathBuf,
    /// What to mount.
    pub source: MountSource,
    /// Whether the container may write there.
    pub access: Access,
}

/// Whether a mount or the root can be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// It can.
    ReadWrite,
    /// It cannot, nor can what is mounted below it.
    ReadOnly,
}

/// What a [`Mount`] shows.
#[derive(Debug)]
pub enum MountSource {
    /// A file or directory of the host with all that is mounted below it. Follows symbolic links of the host.
    Bind(PathBuf),
    /// A detached mount, from `open_tree(2)` or `fsmount(2)`.
    Tree(OwnedFd),
    /// An empty file system in memory.
    Tmpfs {
        /// Limit in bytes; `None` is the kernel's default of half the memory.
        size: Option<u64>,
        /// Permission bits of its root directory.
        mode: u32,
    },
    /// A file that exists in memory only, such as `/etc/resolv.conf` or a secret.
    File {
        /// Its bytes.
        content: Vec<u8>,
        /// Its permission bits.
        mode: u32,
        /// User and group ids of its owner.
        owner: (u32, u32),
    },
    /// The process file system of the sandbox.
    Proc,
    /// Kernel objects; of the host where the network is the host's and this process is not real root.
    Sysfs,
    /// The minimal `/dev`: a tmpfs with null, zero, full, random, urandom, tty and the usual links.
    Dev,
    /// Pseudo terminals of the sandbox's own.
    Devpts,
    /// POSIX message queues of the sandbox's own.
    Mqueue,
    /// The control groups, as far as this machine has version 2 at `/sys/fs/cgroup`; else nothing is mounted.
    Cgroup,
}

impl Mount {
    /// `source` at `target`, writable.
    #[must_use]
    pub fn new(source: MountSource, target: impl Into<PathBuf>) -> Self {
        Self { target: target.into(), source, access: Access::ReadWrite }
    }

    /// A path of the host at `target`, writable (`-v source:target`).
    #[must_use]
    pub fn bind(source: impl Into<PathBuf>, target: impl Into<PathBuf>) -> Self {
        Self::new(MountSource::Bind(source.into()), target)
    }

    /// A tmpfs of any size at `target`, open to all (`--tmpfs target`).
    #[must_use]
    pub fn tmpfs(target: impl Into<PathBuf>) -> Self {
        Self::new(MountSource::Tmpfs { size: None, mode: 0o1777 }, target)
    }

    /// A file of root's with mode 0644 at `target`; writes to it succeed and are forgotten.
    #[must_use]
    pub fn file(content: impl Into<Vec<u8>>, target: impl Into<PathBuf>) -> Self {
        Self::new(MountSource::File { content: content.into(), mode: 0o644, owner: (0, 0) }, target)
    }

    /// The same, not writable.
    #[must_use]
    pub fn read_only(mut self) -> Self {
        self.access = Access::ReadOnly;
        self
    }
}
