//! The ids that an ordinary user may map into a user namespace, and the writing of the maps.
//!
//! user_namespaces(7), subuid(5), newuidmap(1). Users that are known to a directory service only, and not to
//! `/etc/passwd`, are found in `/etc/subuid` by number.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where newuidmap may be: it is set-user-id, so it is not looked for along a user's own `PATH`.
const HELPER_DIRECTORIES: [&str; 5] = ["/usr/bin", "/bin", "/usr/local/bin", "/usr/sbin", "/run/wrappers/bin"];

/// A range of ids of the parent namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct IdRange {
    pub(crate) first: u32,
    pub(crate) count: u32,
}

/// The maps of a user namespace, as far as they can be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum IdMaps {
    /// This user as 0 and its subordinate ids from 1, written by the set-user-id helpers.
    Subordinate { uids: Vec<IdRange>, gids: Vec<IdRange> },
    /// This user as 0 and nobody else, for the reason given.
    Single { reason: String },
}

impl IdMaps {
    /// The best maps for a user of this id.
    pub(crate) fn for_user(uid: u32) -> Self {
        let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
        let name = user_name(&passwd, uid).unwrap_or_default();
        let ranges = |path: &str| subordinate(&fs::read_to_string(path).unwrap_or_default(), name, uid);
        let (uids, gids) = (ranges("/etc/subuid"), ranges("/etc/subgid"));
        let user = if name.is_empty() { uid.to_string() } else { name.to_owned() };
        for (ranges, path) in [(&uids, "/etc/subuid"), (&gids, "/etc/subgid")] {
            if ranges.is_empty() {
                let remedy = format!("add a line such as `{user}:100000:65536`");
                return Self::Single { reason: format!("user `{user}` has no subordinate ids in {path}; {remedy}") };
            }
        }
        for helper in ["newuidmap", "newgidmap"] {
            if find_helper(helper).is_none() {
                return Self::Single { reason: format!("{helper} is not installed (package uidmap)") };
            }
        }
        Self::Subordinate { uids, gids }
    }

    /// Writes the maps of the process `pid`, which has just entered a new user namespace.
    pub(crate) fn write(&self, pid: i32, owner: (u32, u32)) -> io::Result<()> {
        match self {
            Self::Subordinate { uids, gids } => {
                run_helper("newuidmap", pid, owner.0, uids)?;
                run_helper("newgidmap", pid, owner.1, gids)
            }
            Self::Single { .. } => {
                fs::write(format!("/proc/{pid}/setgroups"), "deny")?;
                fs::write(format!("/proc/{pid}/uid_map"), format!("0 {} 1", owner.0))?;
                fs::write(format!("/proc/{pid}/gid_map"), format!("0 {} 1", owner.1))
            }
        }
    }
}

fn user_name(passwd: &str, uid: u32) -> Option<&str> {
    let lines = passwd.lines().map(|line| line.split(':').collect::<Vec<&str>>());
    lines.filter(|fields| fields.get(2).and_then(|id| id.parse().ok()) == Some(uid)).map(|fields| fields[0]).next()
}

/// The ranges that the file gives to the user, by name or by number.
fn subordinate(file: &str, name: &str, uid: u32) -> Vec<IdRange> {
    let lines = file.lines().filter_map(|line| {
        let fields: Vec<&str> = line.trim().split(':').collect();
        let [owner, first, count] = fields[..] else { return None };
        let is_owner = (!name.is_empty() && owner == name) || owner.parse() == Ok(uid);
        let range = IdRange { first: first.parse().ok()?, count: count.parse().ok()? };
        (is_owner && range.count > 0).then_some(range)
    });
    lines.collect()
}

fn find_helper(name: &str) -> Option<PathBuf> {
    HELPER_DIRECTORIES.iter().map(|directory| Path::new(directory).join(name)).find(|path| path.is_file())
}

/// The arguments of newuidmap: triples of inside, outside and count.
fn helper_arguments(owner: u32, ranges: &[IdRange]) -> Vec<u32> {
    let mut arguments = vec![0, owner, 1];
    let mut inside = 1;
    for range in ranges {
        arguments.extend([inside, range.first, range.count]);
        inside += range.count;
    }
    arguments
}

fn run_helper(name: &str, pid: i32, owner: u32, ranges: &[IdRange]) -> io::Result<()> {
    let program = find_helper(name).ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
    let output = Command::new(program)
        .arg(pid.to_string())
        .args(helper_arguments(owner, ranges).iter().map(u32::to_string))
        .stdin(Stdio::null())
        .output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(io::Error::other(if said.is_empty() { format!("{name} ended with {}", output.status) } else { said }))
}

#[cfg(test)]
mod tests {
    use super::{IdRange, helper_arguments, subordinate, user_name};

    #[test]
    fn subordinate_ids_are_found_by_name_and_number() {
        let file = "alice:100000:65536\nbob:200000:10\n1000:300000:5\n# comment\nalice:x:y\nalice:400000:0\n";
        let alice = vec![IdRange { first: 100_000, count: 65536 }, IdRange { first: 300_000, count: 5 }];
        assert_eq!(subordinate(file, "alice", 1000), alice);
        assert_eq!(subordinate(file, "bob", 1001), [IdRange { first: 200_000, count: 10 }]);
        assert_eq!(subordinate(file, "", 1002), []);
        assert_eq!(helper_arguments(1000, &alice), [0, 1000, 1, 1, 100_000, 65536, 65537, 300_000, 5]);
    }

    #[test]
    fn names_come_from_passwd() {
        let passwd = "root:x:0:0::/:/bin/sh\nbroken\nalice:x:1000:1000::/:/bin/sh\n";
        assert_eq!(user_name(passwd, 1000), Some("alice"));
        assert_eq!(user_name(passwd, 5), None);
    }
}
