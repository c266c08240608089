//! Which network a sandbox sees.
//!
//! There is no bridge yet: `--network default` of build and run is the host's network. A bridge would be a third
//! variant here, made by the parent between the clone and the start, when the child's namespace exists and waits.

/// The network of a sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Network {
    /// A namespace of its own with nothing but a loopback interface, which is up.
    None,
    /// The network of the process that makes the sandbox.
    Host,
}
