//! What this process may do, as far as the plan of a sandbox depends on it.

use std::fs;

use crate::capabilities::{Capability, CapabilitySet};

/// The rights of this process at one moment.
#[derive(Debug, Clone)]
pub(crate) struct Rights {
    /// Whether ids here are the machine's own ids.
    pub(crate) initial_user_namespace: bool,
    /// What this process is permitted to do, in its user namespace.
    pub(crate) capabilities: CapabilitySet,
    /// Whether setgroups(2) works; it does not with a single mapped id.
    pub(crate) may_set_groups: bool,
    /// Whether the group of terminals, 5, exists here.
    pub(crate) has_tty_group: bool,
}

impl Rights {
    pub(crate) fn probe() -> Self {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        let kernel = rustix::thread::capabilities(None)
            .map_or(CapabilitySet::empty(), |sets| CapabilitySet::from_kernel(sets.permitted));
        let uid_map = read("/proc/self/uid_map");
        Self {
            // Without /proc, as in a bare chroot, there is no telling; whoever made that chroot was root.
            initial_user_namespace: uid_map.is_empty() || is_identity(&uid_map),
            capabilities: kernel,
            may_set_groups: read("/proc/self/setgroups").trim() != "deny",
            has_tty_group: uid_map.is_empty() || is_mapped(&read("/proc/self/gid_map"), 5),
        }
    }

    /// Whether device nodes made by this process can be opened.
    pub(crate) fn may_make_devices(&self) -> bool {
        self.initial_user_namespace && self.capabilities.contains(Capability::MKNOD)
    }
}

/// Whether the map is that of the initial user namespace: all 32-bit ids onto themselves.
fn is_identity(map: &str) -> bool {
    map.split_whitespace().eq(["0", "0", "4294967295"])
}

fn is_mapped(map: &str, id: u64) -> bool {
    map.lines().any(|line| {
        let numbers: Vec<u64> = line.split_whitespace().filter_map(|number| number.parse().ok()).collect();
        matches!(numbers[..], [inside, _, count] if (inside..inside + count).contains(&id))
    })
}

#[cfg(test)]
mod tests {
    use super::{is_identity, is_mapped};

    #[test]
    fn id_maps_are_understood() {
        let cases = [
            ("         0          0 4294967295\n", true, true),
            ("         0       1000          1\n", false, false),
            ("         0       1000          1\n         1     100000      65536\n", false, true),
            ("", false, false),
        ];
        for (map, identity, tty) in cases {
            assert_eq!((is_identity(map), is_mapped(map, 5)), (identity, tty), "{map:?}");
        }
    }
}
