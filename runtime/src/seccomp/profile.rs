//! The rules of the default profile: which calls pass, given a container's capabilities.

use crate::capabilities::{Capability, CapabilitySet};

/// Under which condition a call passes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Rule {
    Always,
    /// With any of these capabilities.
    With(&'static [Capability]),
    /// For the address families of [`SOCKET_FAMILIES`].
    Socket,
    /// For the execution domains of [`PERSONALITIES`].
    Personality,
    /// Without new namespaces, unless the container may administer the system.
    Clone,
    /// Said to be missing, so that libraries fall back to `clone`, whose flags a filter can see.
    Clone3,
}

/// What a filter answers to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Allow,
    /// Refuse with this error number.
    Errno(u16),
    /// Allow when the first argument is one of these ranges (inclusive), else refuse with EPERM.
    AllowFirstArgument(&'static [(u32, u32)]),
    /// Allow when the first argument has none of these bits, else refuse with EPERM.
    AllowWithoutBits(u32),
}

/// All families but DECnet, econet, ATM, IrDA, WANPIPE, IUCV, CAIF, kernel crypto and virtual machine sockets.
const SOCKET_FAMILIES: &[(u32, u32)] = &[(0, 11), (13, 18), (21, 22), (24, 24), (26, 33), (35, 36), (39, 39), (41, 45)];

/// Linux, Linux 32 bit, each with the old `uname` release, and the question for the present one.
const PERSONALITIES: &[(u32, u32)] = &[(0, 0), (8, 8), (0x20000, 0x20000), (0x20008, 0x20008), (u32::MAX, u32::MAX)];

/// CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID and NEWNET.
const CLONE_NAMESPACES: u32 = 0x7e02_0000;

pub(crate) const EPERM: u16 = libc::EPERM as u16;
pub(crate) const ENOSYS: u16 = libc::ENOSYS as u16;

impl Rule {
    /// What the rule means for a container that holds `capabilities`.
    pub(crate) fn action(self, capabilities: CapabilitySet) -> Action {
        let administers = capabilities.contains(Capability::SYS_ADMIN);
        match self {
            Self::Always => Action::Allow,
            Self::With(any) if any.iter().any(|one| capabilities.contains(*one)) => Action::Allow,
            Self::With(_) => Action::Errno(EPERM),
            Self::Socket => Action::AllowFirstArgument(SOCKET_FAMILIES),
            Self::Personality => Action::AllowFirstArgument(PERSONALITIES),
            Self::Clone | Self::Clone3 if administers => Action::Allow,
            Self::Clone => Action::AllowWithoutBits(CLONE_NAMESPACES),
            Self::Clone3 => Action::Errno(ENOSYS),
        }
    }
}
