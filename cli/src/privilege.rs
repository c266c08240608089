//! With which rights this process works, decided once at the start, before any thread exists.

use dhow_layer_store::Ownership;

/// The rung of the ladder that was taken, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Privilege {
    /// Real root.
    Root,
    /// An ordinary user; nothing was entered.
    Ordinary,
}

impl Privilege {
    /// The rights of a process that stays as it is.
    pub(crate) fn probe() -> Self {
        if rustix::process::geteuid().is_root() { Self::Root } else { Self::Ordinary }
    }

    /// Whether files belong to the whole machine.
    pub(crate) fn is_root(self) -> bool {
        self == Self::Root
    }

    /// Where owners of files are kept.
    pub(crate) fn ownership(self) -> Ownership {
        Ownership::OnDisk
    }
}
