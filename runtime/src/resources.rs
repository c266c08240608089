//! Limits on what a sandbox may use: the words of the OCI runtime spec's `linux.resources`.

use std::path::PathBuf;

/// Limits of a sandbox. With none set there is no cgroup, and memory is counted by process.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resources {
    /// Bytes of memory (`--memory`).
    pub memory: Option<u64>,
    /// Bytes of memory and swap together (`--memory-swap`); only with `memory`.
    pub memory_swap: Option<u64>,
    /// Thousandths of a processor (`--cpus` × 1000).
    pub milli_cpus: Option<u64>,
    /// Microseconds of processor time in each period (`--cpu-quota`); not with `milli_cpus`.
    pub cpu_quota: Option<u64>,
    /// Microseconds of a period (`--cpu-period`), 100,000 if none is given; not with `milli_cpus`.
    pub cpu_period: Option<u64>,
    /// Weight among those who compete for processors, 1024 being usual (`--cpu-shares`).
    pub cpu_shares: Option<u64>,
    /// Processes and threads (`--pids-limit`).
    pub pids: Option<u64>,
    /// Processors by number, such as `0-2,4` (`--cpuset-cpus`).
    pub cpuset_cpus: Option<String>,
    /// Memory nodes by number (`--cpuset-mems`).
    pub cpuset_mems: Option<String>,
    /// The cgroup that the sandbox's is made below, from the top of each hierarchy; it must exist (`--cgroup-parent`).
    pub cgroup_parent: Option<PathBuf>,
}

impl Resources {
    /// Whether nothing is limited.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
