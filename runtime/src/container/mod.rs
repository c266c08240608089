//! Containers: programs in sandboxes that have a name, a log and a state on disk, and may outlive the dhow that
//! started them.
//!
//! ```text
//! containers/                 handed in by the caller; mode 0700
//!   names/<name>              the id of the container that has the name
//!   <id>/config.json          what was asked for; never changes           (ContainerConfig)
//!   <id>/state.json           what became of it; replaced by rename       (ContainerState)
//!   <id>/log.json             its output, in the format of Docker's json-file logs
//!   <id>/lock                 locked by the process that supervises it, for as long as it does
//!   <id>/control              socket of that process
//!   <id>/...                  whatever the caller keeps with it, such as its writable layer
//! ```
//!
//! A container runs exactly as long as its lock is held: the kernel lets go of it when the supervisor is killed, and
//! the sandbox is killed with its supervisor. So a dead container is never shown as running. All talk with a running
//! container goes through its supervisor's socket, since an ordinary user's next dhow lives in another user namespace
//! and has no rights over it.

mod attach;
mod config;
mod control;
mod entries;
mod exec;
mod handle;
mod log;
mod pump;
mod set;
mod state;
mod supervisor;
mod terminal;

pub use attach::run_attached;
pub use config::ContainerConfig;
pub use exec::ExecRequest;
pub use handle::Container;
pub use log::{LogLine, LogQuery, LogReader, LogStream};
pub use set::Containers;
pub use state::{ContainerState, ContainerStatus};
pub use supervisor::{Console, Ended, Input, become_supervisor};
