//! How much isolation this process can give: the ladder, and the rung that it stands on.
//!
//! `userns.rs` climbs it; here is only what there is to say about it.

use std::fmt;
use std::fs;

/// The rungs, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rung {
    /// Real root: every namespace, device nodes, cgroups.
    Root,
    /// A user namespace with subordinate ids: all of an image's owners exist.
    SubordinateIds,
    /// A user namespace with one id: everything belongs to root in it.
    SingleId,
    /// No namespaces: nothing can be isolated.
    NoNamespaces,
}

impl fmt::Display for Rung {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Root => "root",
            Self::SubordinateIds => "user namespace with subordinate ids",
            Self::SingleId => "user namespace with a single id",
            Self::NoNamespaces => "no namespaces",
        })
    }
}

/// The rung that was reached, and why not a better one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Privilege {
    /// The rung.
    pub rung: Rung,
    /// Why it is this one and what would give a better one, for `dhow info` and error messages. Empty for root.
    pub reason: String,
    /// The user id that this user has outside the user namespace that was entered; root's is 0.
    pub outer_uid: u32,
}

impl Privilege {
    /// The rung of a process that is root in whatever user namespace it lives in.
    pub(crate) fn of_namespace_root() -> Self {
        let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
        let (rung, reason) = match describe(&map) {
            Mapping::Identity => (Rung::Root, String::new()),
            Mapping::Several => (Rung::SubordinateIds, "dhow was started inside a user namespace".to_owned()),
            Mapping::Single => (Rung::SingleId, "dhow was started inside a user namespace with one id".to_owned()),
        };
        Self { rung, reason, outer_uid: outer_id(&map, 0).unwrap_or(0) }
    }
}

enum Mapping {
    Identity,
    Several,
    Single,
}

/// The lines of an id map: first id inside, first id outside, count.
fn lines(map: &str) -> impl Iterator<Item = [u64; 3]> {
    map.lines().filter_map(|line| {
        let numbers: Vec<u64> = line.split_whitespace().filter_map(|number| number.parse().ok()).collect();
        numbers.try_into().ok()
    })
}

fn describe(map: &str) -> Mapping {
    let count: u64 = lines(map).map(|[_, _, count]| count).sum();
    match (count, lines(map).next()) {
        (4_294_967_295, Some([0, 0, _])) => Mapping::Identity,
        (2.., _) => Mapping::Several,
        _ => Mapping::Single,
    }
}

/// What `id` of a user namespace with this map is outside of it.
pub(crate) fn outer_id(map: &str, id: u64) -> Option<u32> {
    let line = lines(map).find(|[inside, _, count]| (*inside..inside + count).contains(&id));
    line.and_then(|[inside, outside, _]| u32::try_from(outside + (id - inside)).ok())
}

#[cfg(test)]
mod tests {
    use super::outer_id;

    #[test]
    fn ids_are_translated_by_the_map() {
        let map = "         0       1000          1\n         1     100000      65536\n";
        for (inside, outside) in [(0, Some(1000)), (1, Some(100_000)), (65536, Some(165_535)), (65537, None)] {
            assert_eq!(outer_id(map, inside), outside, "{inside}");
        }
    }
}
