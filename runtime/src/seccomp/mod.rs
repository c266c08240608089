//! The filter of system calls: Docker's default profile, compiled to classic BPF without a C library.
//!
//! `table.rs` holds the facts, `profile.rs` the rules and their values, `compile.rs` turns them into a program. The
//! profile follows the capabilities that a container is given. Filters of one's own are not read yet.

mod compile;
mod profile;
mod table;

pub(crate) use compile::compile;

/// Which filter a program runs under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seccomp {
    /// Docker's default profile.
    Default,
    /// None (`--security-opt seccomp=unconfined`).
    Unconfined,
}
