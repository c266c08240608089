//! Which namespaces a process is in. namespaces(7), setns(2).

use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::thread::ThreadNameSpaceType;

/// The namespaces that a program in a sandbox joins, by their names in `/proc`: all but the user's.
const JOINED: [(&str, ThreadNameSpaceType); 6] = [
    ("mnt", ThreadNameSpaceType::MOUNT),
    ("pid", ThreadNameSpaceType::PROCESS_ID),
    ("ipc", ThreadNameSpaceType::INTER_PROCESS_COMMUNICATION),
    ("uts", ThreadNameSpaceType::HOST_NAME_AND_NIS_DOMAIN_NAME),
    ("net", ThreadNameSpaceType::NETWORK),
    ("cgroup", ThreadNameSpaceType::CONTROL_GROUP),
];

/// Namespaces of a process, to be joined.
#[derive(Debug)]
pub(crate) struct Namespaces {
    /// The process.
    pub(crate) process: OwnedFd,
    /// Those that it does not share with this process. The others may belong to somebody who lets nobody join.
    pub(crate) apart: ThreadNameSpaceType,
}

impl Namespaces {
    /// Those of the process `pid`, which `process` holds.
    pub(crate) fn of(pid: i32, process: OwnedFd) -> Self {
        let differs = |name: &str| {
            let of = |who: &str| Path::new("/proc").join(who).join("ns").join(name).read_link().ok();
            let own = of("self");
            own.is_none() || own != of(&pid.to_string())
        };
        let apart = JOINED.iter().filter(|(name, _)| differs(name)).map(|(_, kind)| *kind);
        Self { process, apart: apart.fold(ThreadNameSpaceType::empty(), |all, kind| all | kind) }
    }
}
