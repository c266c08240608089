//! Limits on what a sandbox may use: the words of the OCI runtime spec's `linux.resources`.

/// Limits of a sandbox. With none set there is no cgroup, and memory is counted by process.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resources {
    /// Bytes of memory (`--memory`).
    pub memory: Option<u64>,
    /// Bytes of memory and swap together (`--memory-swap`); only with `memory`.
    pub memory_swap: Option<u64>,
    /// Thousandths of a processor (`--cpus` × 1000).
    pub milli_cpus: Option<u64>,
    /// Processes and threads (`--pids-limit`).
    pub pids: Option<u64>,
    /// Processors by number, such as `0-2,4` (`--cpuset-cpus`).
    pub cpuset_cpus: Option<String>,
}

impl Resources {
    /// Whether nothing is limited.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
