//! Everything that a sandbox is made of: the OCI runtime spec's bundle as one value.

use std::os::fd::OwnedFd;
use std::path::PathBuf;

use crate::mount::{Access, Mount, MountSource};
use crate::network::Network;
use crate::process::Process;
use crate::resources::Resources;
use crate::seccomp::Seccomp;

/// Paths that look empty inside, because they tell or do too much about the host. Docker's list.
const MASKED: [&str; 11] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/firmware",
];

/// Further masked path, of the power meters that let a container guess the host's secrets.
const MASKED_POWERCAP: &str = "/sys/devices/virtual/powercap";

/// Paths that can be read only. Docker's list.
const READ_ONLY: [&str; 5] = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/// The tree that becomes `/`.
#[derive(Debug)]
pub enum Rootfs {
    /// A detached mount, from `fsmount(2)` or `open_tree(2)`. It is attached once, in the sandbox only, and is gone
    /// when the sandbox is waited for and the caller has closed what it kept.
    Mount(OwnedFd),
    /// A plain directory. What is mounted below it is seen too.
    Dir(PathBuf),
}

/// What to run, in what.
#[derive(Debug)]
pub struct Bundle {
    /// The tree.
    pub rootfs: Rootfs,
    /// Whether the tree can be written (`--read-only`). Mounts are not touched by it.
    pub root_access: Access,
    /// The program.
    pub process: Process,
    /// The name of the machine inside; `None` keeps the host's.
    pub hostname: Option<String>,
    /// What is mounted, in order.
    pub mounts: Vec<Mount>,
    /// The network it sees.
    pub network: Network,
    /// Paths that look empty inside; those that do not exist are skipped.
    pub masked_paths: Vec<PathBuf>,
    /// Paths that can be read only; those that do not exist are skipped.
    pub readonly_paths: Vec<PathBuf>,
    /// The filter of system calls.
    pub seccomp: Seccomp,
    /// Limits, and the cgroup that holds them.
    pub resources: Resources,
}

impl Bundle {
    /// What Docker gives a container when nothing is asked for, apart from the network, which is the host's.
    #[must_use]
    pub fn docker_default(rootfs: Rootfs, process: Process) -> Self {
        Self {
            rootfs,
            root_access: Access::ReadWrite,
            process,
            hostname: None,
            mounts: default_mounts(),
            network: Network::Host,
            masked_paths: MASKED.into_iter().chain([MASKED_POWERCAP]).map(PathBuf::from).collect(),
            readonly_paths: READ_ONLY.map(PathBuf::from).to_vec(),
            seccomp: Seccomp::Default,
            resources: Resources::default(),
        }
    }

    /// Lifts what keeps the program from the machine: all capabilities, no filter, nothing masked
    /// (`--privileged`, `RUN --security=insecure`). Devices stay the minimal ones.
    #[must_use]
    pub fn privileged(mut self) -> Self {
        self.process.capabilities = crate::capabilities::CapabilitySet::all();
        self.seccomp = Seccomp::Unconfined;
        self.masked_paths.clear();
        self.readonly_paths.clear();
        for mount in &mut self.mounts {
            if matches!(mount.source, MountSource::Sysfs | MountSource::Cgroup) {
                mount.access = Access::ReadWrite;
            }
        }
        self
    }
}

/// Docker's `/proc`, `/dev`, `/sys` and what lies in them.
fn default_mounts() -> Vec<Mount> {
    const SHM_SIZE: u64 = 64 << 20;
    vec![
        Mount::new(MountSource::Proc, "/proc"),
        Mount::new(MountSource::Dev, "/dev"),
        Mount::new(MountSource::Devpts, "/dev/pts"),
        Mount::new(MountSource::Sysfs, "/sys").read_only(),
        Mount::new(MountSource::Cgroup, "/sys/fs/cgroup").read_only(),
        Mount::new(MountSource::Mqueue, "/dev/mqueue"),
        Mount::new(MountSource::Tmpfs { size: Some(SHM_SIZE), mode: 0o1777 }, "/dev/shm"),
    ]
}
