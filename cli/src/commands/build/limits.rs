//! What was typed of limits on `RUN`, as the engine's values.

use dhow_runtime::{Resources, Rlimit, RlimitResource};

use crate::args::BuildLimits;
use crate::format::human;
use crate::problem::Problem;

/// The names of `--ulimit`, which are those of limits.conf(5).
const ULIMITS: [(&str, RlimitResource); 16] = [
    ("as", RlimitResource::As),
    ("core", RlimitResource::Core),
    ("cpu", RlimitResource::Cpu),
    ("data", RlimitResource::Data),
    ("fsize", RlimitResource::Fsize),
    ("locks", RlimitResource::Locks),
    ("memlock", RlimitResource::Memlock),
    ("msgqueue", RlimitResource::Msgqueue),
    ("nice", RlimitResource::Nice),
    ("nofile", RlimitResource::Nofile),
    ("nproc", RlimitResource::Nproc),
    ("rss", RlimitResource::Rss),
    ("rtprio", RlimitResource::Rtprio),
    ("rttime", RlimitResource::Rttime),
    ("sigpending", RlimitResource::Sigpending),
    ("stack", RlimitResource::Stack),
];

/// A size in bytes.
///
/// # Errors
/// It is none.
pub(super) fn size(text: &str) -> Result<u64, Problem> {
    human::parse_size(text).ok_or_else(|| Problem::usage(format!("`{text}` is not a size")).hint("write 64m or 1g"))
}

/// The limits that control groups hold.
///
/// # Errors
/// A value cannot be used.
pub(super) fn resources(typed: &BuildLimits) -> Result<Resources, Problem> {
    let memory = typed.memory.as_deref().map(size).transpose()?.filter(|bytes| *bytes > 0);
    let memory_swap = typed.memory_swap.as_deref().filter(|text| *text != "-1").map(size).transpose()?;
    if let (Some(memory), Some(both)) = (memory, memory_swap)
        && both < memory
    {
        return Err(Problem::usage("`--memory-swap` is less than `--memory`")
            .hint("it limits memory and swap together; leave it out to have no limit on swap"));
    }
    let milli_cpus = typed.cpus.map(|cpus| match cpus > 0.0 && cpus.is_finite() {
        true => Ok((cpus * 1000.0).round() as u64),
        false => Err(Problem::usage(format!("`{cpus}` is not a number of processors"))),
    });
    Ok(Resources {
        memory,
        memory_swap,
        milli_cpus: milli_cpus.transpose()?,
        // Docker's 0 and -1 stand for no limit.
        cpu_quota: typed.cpu_quota.and_then(|quota| u64::try_from(quota).ok()).filter(|quota| *quota > 0),
        cpu_period: typed.cpu_period.filter(|period| *period > 0),
        cpu_shares: typed.cpu_shares.filter(|shares| *shares > 0),
        pids: None,
        cpuset_cpus: typed.cpuset_cpus.clone().filter(|cpus| !cpus.is_empty()),
        cpuset_mems: typed.cpuset_mems.clone().filter(|mems| !mems.is_empty()),
        cgroup_parent: typed.cgroup_parent.clone(),
    })
}

/// `NAME=SOFT[:HARD]`; -1 is no limit.
///
/// # Errors
/// The name is unknown, or a value is no number.
pub(super) fn rlimits(typed: &[String]) -> Result<Vec<Rlimit>, Problem> {
    typed.iter().map(|text| rlimit(text)).collect()
}

fn rlimit(text: &str) -> Result<Rlimit, Problem> {
    let bad = |why: String| {
        Problem::usage(format!("`{text}` is not a limit: {why}"))
            .hint("write NAME=SOFT[:HARD], such as nofile=1024:2048")
    };
    let (name, values) = text.split_once('=').ok_or_else(|| bad("it has no value".to_owned()))?;
    let known = ULIMITS.iter().find(|(known, _)| *known == name);
    let (_, resource) = known.ok_or_else(|| bad(format!("there is no `{name}` to limit")))?;
    let (soft, hard) = values.split_once(':').unwrap_or((values, values));
    let number = |value: &str| match value {
        "-1" | "unlimited" => Ok(None),
        value => value.parse().map(Some).map_err(|_| bad(format!("`{value}` is no number"))),
    };
    let (soft, hard) = (number(soft)?, number(hard)?);
    if hard.is_some_and(|hard| soft.is_none_or(|soft| soft > hard)) {
        return Err(bad("the soft limit is above the hard one".to_owned()));
    }
    Ok(Rlimit { resource: *resource, soft, hard })
}

#[cfg(test)]
mod tests {
    use super::{resources, rlimits};
    use crate::args::BuildLimits;
    use dhow_runtime::{Rlimit, RlimitResource};

    #[test]
    fn ulimits() {
        let nofile = |soft, hard| Some(Rlimit { resource: RlimitResource::Nofile, soft, hard });
        for (text, expected) in [
            ("nofile=10", nofile(Some(10), Some(10))),
            ("nofile=10:20", nofile(Some(10), Some(20))),
            ("nofile=10:-1", nofile(Some(10), None)),
            ("nofile=30:20", None),
            ("nofile=-1:20", None),
            ("nofile", None),
            ("nofile=many", None),
            ("files=10", None),
        ] {
            let found = rlimits(&[text.to_owned()]).ok().map(|mut found| found.remove(0));
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn control_groups() {
        let typed = BuildLimits {
            memory: Some("64m".to_owned()),
            memory_swap: Some("-1".to_owned()),
            cpus: Some(0.5),
            cpu_quota: Some(-1),
            ..BuildLimits::default()
        };
        let found = resources(&typed).unwrap();
        assert_eq!((found.memory, found.memory_swap, found.milli_cpus), (Some(64 << 20), None, Some(500)));
        assert_eq!(found.cpu_quota, None);
        let less = BuildLimits { memory_swap: Some("1m".to_owned()), ..typed };
        assert!(resources(&less).is_err());
        assert!(resources(&BuildLimits { cpus: Some(-1.0), ..BuildLimits::default() }).is_err());
        assert!(resources(&BuildLimits::default()).unwrap().is_empty());
    }
}
