//! Sets of Linux capabilities, by their names of capabilities(7).
//!
//! Holds no process state: `init.rs` applies a set to the process that it becomes.
//! OCI runtime spec, `process.capabilities`.

use std::fmt;
use std::str::FromStr;

use rustix::thread::CapabilitySet as KernelSet;

use crate::error::Error;

/// Names in the order of their numbers, without the prefix `CAP_`.
const NAMES: [&str; 41] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

/// What a container of Docker's may do when nothing is asked for.
const DOCKER_DEFAULT: [&str; 14] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "FSETID",
    "FOWNER",
    "MKNOD",
    "NET_RAW",
    "SETGID",
    "SETUID",
    "SETFCAP",
    "SETPCAP",
    "NET_BIND_SERVICE",
    "SYS_CHROOT",
    "KILL",
    "AUDIT_WRITE",
];

/// One capability, by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Capability(u8);

impl Capability {
    /// `CAP_SYS_ADMIN`.
    pub const SYS_ADMIN: Self = Self(21);
    /// `CAP_MKNOD`.
    pub const MKNOD: Self = Self(27);

    /// The capability of a number below 41.
    pub(crate) const fn numbered(number: u8) -> Self {
        Self(number)
    }

    fn bit(self) -> u64 {
        1 << self.0
    }
}

impl FromStr for Capability {
    type Err = Error;

    /// Reads a name in any case, with or without `CAP_`; an unknown name is [`Error::InvalidValue`].
    fn from_str(name: &str) -> Result<Self, Error> {
        let upper = name.to_ascii_uppercase();
        let bare = upper.strip_prefix("CAP_").unwrap_or(&upper);
        let number = NAMES.iter().position(|known| *known == bare);
        number
            .map(|number| Self(number as u8))
            .ok_or_else(|| Error::InvalidValue { what: "capability", value: name.to_owned() })
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CAP_{}", NAMES[usize::from(self.0)])
    }
}

/// A set of capabilities: what the process, and all that it ever executes, may hold at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CapabilitySet(u64);

impl CapabilitySet {
    /// No capability.
    #[must_use]
    pub const fn empty() -> Self {
        Self(0)
    }

    /// Every capability that dhow knows a name for (`--privileged`, `--cap-add ALL`).
    #[must_use]
    pub const fn all() -> Self {
        Self((1 << NAMES.len()) - 1)
    }

    /// Docker's fourteen.
    #[must_use]
    pub fn docker_default() -> Self {
        let bits = DOCKER_DEFAULT.iter().filter_map(|name| Capability::from_str(name).ok()).map(Capability::bit);
        Self(bits.fold(0, |set, bit| set | bit))
    }

    /// This set and `capability`.
    #[must_use]
    pub fn with(self, capability: Capability) -> Self {
        Self(self.0 | capability.bit())
    }

    /// This set without `capability`.
    #[must_use]
    pub fn without(self, capability: Capability) -> Self {
        Self(self.0 & !capability.bit())
    }

    /// Whether `capability` is in the set.
    #[must_use]
    pub fn contains(self, capability: Capability) -> bool {
        self.0 & capability.bit() != 0
    }

    /// The members, by number.
    pub fn iter(self) -> impl Iterator<Item = Capability> {
        (0..NAMES.len() as u8).map(Capability).filter(move |capability| self.contains(*capability))
    }

    pub(crate) fn to_kernel(self) -> KernelSet {
        KernelSet::from_bits_retain(self.0)
    }

    pub(crate) fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub(crate) fn from_kernel(set: KernelSet) -> Self {
        Self(set.bits())
    }
}

#[cfg(test)]
mod tests {
    use super::{Capability, CapabilitySet};

    #[test]
    fn docker_default_is_the_mask_that_docker_containers_show() {
        assert_eq!(CapabilitySet::docker_default().0, 0x0000_0000_a804_25fb);
    }

    #[test]
    fn names_are_read_in_every_spelling() {
        for (name, expected) in [("CAP_SYS_ADMIN", "CAP_SYS_ADMIN"), ("net_raw", "CAP_NET_RAW"), ("Cap_Bpf", "CAP_BPF")]
        {
            assert_eq!(name.parse::<Capability>().unwrap().to_string(), expected);
        }
        assert_eq!("SYS_ADMIN".parse::<Capability>().unwrap(), Capability::SYS_ADMIN);
        assert_eq!("MKNOD".parse::<Capability>().unwrap(), Capability::MKNOD);
        assert!("CAP_NONSENSE".parse::<Capability>().is_err());
    }
}
