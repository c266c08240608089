//! Limits as the files of control groups, of version 2 or 1. Writes nothing.
//!
//! Kernel documentation: `admin-guide/cgroup-v2.rst`, `admin-guide/cgroup-v1/`; the OCI runtime spec's
//! `config-linux.md` says how shares become weights.

use crate::resources::Resources;

/// The period of `milli_cpus` and of a quota alone, in microseconds: Docker's.
const CPU_PERIOD: u64 = 100_000;

/// One value to write: which controller, which limit it is for messages, which file, what.
pub(crate) struct Setting {
    pub(crate) controller: &'static str,
    pub(crate) resource: &'static str,
    pub(crate) file: &'static str,
    pub(crate) value: String,
}

fn memory(file: &'static str, value: u64) -> Setting {
    Setting { controller: "memory", resource: "memory", file, value: value.to_string() }
}

fn cpu(file: &'static str, value: impl ToString) -> Setting {
    Setting { controller: "cpu", resource: "cpus", file, value: value.to_string() }
}

fn cpuset(file: &'static str, value: &str) -> Setting {
    Setting { controller: "cpuset", resource: "cpuset", file, value: value.to_owned() }
}

pub(crate) fn settings_v2(resources: &Resources) -> Vec<Setting> {
    let mut settings: Vec<Setting> = Vec::new();
    settings.extend(resources.memory.map(|limit| memory("memory.max", limit)));
    if let (Some(limit), Some(both)) = (resources.memory, resources.memory_swap) {
        settings.push(memory("memory.swap.max", both.saturating_sub(limit)));
    }
    if let Some((quota, period)) = quota_and_period(resources) {
        let quota = quota.map_or_else(|| "max".to_owned(), |quota| quota.to_string());
        settings.push(cpu("cpu.max", format!("{quota} {period}")));
    }
    settings.extend(resources.cpu_shares.map(|shares| cpu("cpu.weight", weight(shares))));
    settings.extend(common_settings(resources));
    settings
}

pub(crate) fn settings_v1(resources: &Resources) -> Vec<Setting> {
    let mut settings: Vec<Setting> = Vec::new();
    settings.extend(resources.memory.map(|limit| memory("memory.limit_in_bytes", limit)));
    if let (Some(_), Some(both)) = (resources.memory, resources.memory_swap) {
        settings.push(memory("memory.memsw.limit_in_bytes", both));
    }
    if let Some((quota, period)) = quota_and_period(resources) {
        settings.push(cpu("cpu.cfs_period_us", period));
        settings.extend(quota.map(|quota| cpu("cpu.cfs_quota_us", quota)));
    }
    settings.extend(resources.cpu_shares.map(|shares| cpu("cpu.shares", shares)));
    settings.extend(common_settings(resources));
    settings
}

/// The limits whose files have the same names in both versions.
fn common_settings(resources: &Resources) -> impl Iterator<Item = Setting> {
    let pids = resources.pids.map(|limit| limit.to_string());
    let pids = pids.map(|value| Setting { controller: "pids", resource: "pids", file: "pids.max", value });
    let cpus = resources.cpuset_cpus.as_deref().map(|cpus| cpuset("cpuset.cpus", cpus));
    let mems = resources.cpuset_mems.as_deref().map(|mems| cpuset("cpuset.mems", mems));
    pids.into_iter().chain(cpus).chain(mems)
}

/// Microseconds of processor time in each period of so many microseconds.
fn quota_and_period(resources: &Resources) -> Option<(Option<u64>, u64)> {
    if let Some(milli) = resources.milli_cpus {
        return Some((Some((milli * CPU_PERIOD / 1000).max(1000)), CPU_PERIOD));
    }
    if resources.cpu_quota.is_none() && resources.cpu_period.is_none() {
        return None;
    }
    Some((resources.cpu_quota, resources.cpu_period.unwrap_or(CPU_PERIOD)))
}

/// Shares from 2 to 262144 as a weight from 1 to 10000.
fn weight(shares: u64) -> u64 {
    1 + (shares.clamp(2, 262_144) - 2) * 9999 / 262_142
}

#[cfg(test)]
mod tests {
    use super::{Setting, settings_v1, settings_v2};
    use crate::resources::Resources;

    fn check(resources: &Resources, v2: &[&str], v1: &[&str]) {
        let text = |settings: Vec<Setting>| -> Vec<String> {
            settings.iter().map(|setting| format!("{}={}", setting.file, setting.value)).collect()
        };
        assert_eq!(text(settings_v2(resources)), v2);
        assert_eq!(text(settings_v1(resources)), v1);
    }

    #[test]
    fn limits_become_the_kernels_files() {
        check(&Resources::default(), &[], &[]);
        let resources = Resources {
            memory: Some(1 << 20),
            memory_swap: Some(3 << 20),
            milli_cpus: Some(1500),
            pids: Some(7),
            cpuset_cpus: Some("0-1".to_owned()),
            cpuset_mems: Some("0".to_owned()),
            ..Resources::default()
        };
        let common = ["pids.max=7", "cpuset.cpus=0-1", "cpuset.mems=0"];
        let v2 = ["memory.max=1048576", "memory.swap.max=2097152", "cpu.max=150000 100000"];
        let v1 = [
            "memory.limit_in_bytes=1048576",
            "memory.memsw.limit_in_bytes=3145728",
            "cpu.cfs_period_us=100000",
            "cpu.cfs_quota_us=150000",
        ];
        check(&resources, &[&v2[..], &common].concat(), &[&v1[..], &common].concat());
    }

    #[test]
    fn processor_time_as_quota_and_shares() {
        let resources =
            |cpu_quota, cpu_period, cpu_shares| Resources { cpu_quota, cpu_period, cpu_shares, ..Resources::default() };
        check(
            &resources(Some(20_000), None, None),
            &["cpu.max=20000 100000"],
            &["cpu.cfs_period_us=100000", "cpu.cfs_quota_us=20000"],
        );
        check(&resources(None, Some(50_000), None), &["cpu.max=max 50000"], &["cpu.cfs_period_us=50000"]);
        check(&resources(None, None, Some(1024)), &["cpu.weight=39"], &["cpu.shares=1024"]);
        check(&resources(None, None, Some(262_144)), &["cpu.weight=10000"], &["cpu.shares=262144"]);
    }
}
