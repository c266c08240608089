//! Runs programs in sandboxes, and keeps containers.
//!
//! A [`Bundle`] says what to run in what; [`Sandbox::create`] builds it out of namespaces, mounts, capabilities and a
//! seccomp filter, and [`Created::start`] executes the program. Words and order are those of the OCI runtime spec.
//! This crate knows nothing of images and layers: it is handed a root. It never prints, exits or reads the
//! environment.

mod bundle;
mod capabilities;
mod cgroup;
mod cgroup_settings;
mod container;
mod error;
mod exec_problem;
mod exit;
mod handshake;
mod idmap;
mod init;
mod kernel;
mod mount;
mod mount_plan;
mod mountpoint;
mod namespaces;
mod network;
mod plan;
mod privilege;
mod proc_stat;
mod process;
mod relay;
mod resources;
mod rights;
mod sandbox;
mod seccomp;
mod signal;
mod stdio;
mod step;
mod sys;
mod user;
mod userns;

pub use bundle::{Bundle, Rootfs};
pub use capabilities::{Capability, CapabilitySet};
pub use container::{
    Console, Container, ContainerConfig, ContainerState, ContainerStatus, Containers, Ended, ExecRequest, Input,
    LogLine, LogQuery, LogReader, LogStream, become_supervisor, run_attached,
};
pub use error::{Error, ExecProblem, Result};
pub use exit::{Exit, ExitStatus, Usage};
pub use mount::{Access, Mount, MountSource};
pub use network::Network;
pub use privilege::{Privilege, Rung};
pub use process::{Privileges, Process, Rlimit, RlimitResource};
pub use resources::Resources;
pub use sandbox::{Created, Running, Sandbox, Signaller, set_window_size};
pub use seccomp::Seccomp;
pub use signal::Signal;
pub use stdio::{Stdio, Stream, WindowSize};
pub use user::User;
pub use userns::{Entered, enter};
