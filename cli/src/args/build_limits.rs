//! The limits of `dhow build`: what each RUN may use at most.

use std::path::PathBuf;

use clap::Args;

/// Limits of each `RUN`.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct BuildLimits {
    /// Size of /dev/shm of RUN
    #[arg(long, value_name = "BYTES")]
    pub(crate) shm_size: Option<String>,
    /// Resource limit of RUN: `NAME=SOFT[:HARD]`, such as nofile=1024; may be repeated
    #[arg(long = "ulimit", value_name = "LIMIT")]
    pub(crate) ulimits: Vec<String>,
    /// Memory limit of each RUN, such as 512m
    #[arg(short, long, value_name = "BYTES")]
    pub(crate) memory: Option<String>,
    /// Limit of memory and swap together of each RUN; -1 for as much swap as there is
    #[arg(long, value_name = "BYTES", requires = "memory", allow_hyphen_values = true)]
    pub(crate) memory_swap: Option<String>,
    /// Processors that each RUN may keep busy, such as 1.5
    #[arg(long, value_name = "COUNT", conflicts_with_all = ["cpu_period", "cpu_quota"])]
    pub(crate) cpus: Option<f64>,
    /// Length of a period of --cpu-quota, in microseconds
    #[arg(long, value_name = "MICROSECONDS")]
    pub(crate) cpu_period: Option<u64>,
    /// Processor time of each RUN in a period, in microseconds
    #[arg(long, value_name = "MICROSECONDS", allow_hyphen_values = true)]
    pub(crate) cpu_quota: Option<i64>,
    /// Weight of RUN among those who compete for processors; 1024 is usual
    #[arg(short = 'c', long, value_name = "SHARES")]
    pub(crate) cpu_shares: Option<u64>,
    /// Processors that RUN may use, such as 0-2
    #[arg(long, value_name = "CPUS")]
    pub(crate) cpuset_cpus: Option<String>,
    /// Memory nodes that RUN may use, such as 0
    #[arg(long, value_name = "NODES")]
    pub(crate) cpuset_mems: Option<String>,
    /// Existing control group that those of RUN are made below
    #[arg(long, value_name = "CGROUP")]
    pub(crate) cgroup_parent: Option<PathBuf>,
}
