//! The parent's side of a sandbox: create, start, wait, with a type for each state.
//!
//! One clone makes the first process; it takes the steps of the plan (`init.rs`) and waits; [`Created::start`] lets it
//! execute the program. The program is process 1 of its pid namespace, so all processes end with it, and it ends with
//! the thread that created it: keep that thread alive until the wait is over. Dropping any of the states kills,
//! reaps and cleans up. OCI runtime spec, `runtime.md`.

mod created;
mod diagnosis;
mod enter;
mod process;
mod running;
mod streams;

use std::os::fd::{AsFd, OwnedFd};

use nix::sys::signal::{SigSet, SigmaskHow};
use rustix::process::Pid;

use crate::bundle::{Bundle, Rootfs};
use crate::cgroup::Cgroup;
use crate::error::{Error, Result};
use crate::mount_plan::clone_tree;
use crate::sandbox::diagnosis::Diagnosis;
use crate::sandbox::process::SandboxProcess;
use crate::sandbox::streams::open_streams;
use crate::stdio::Stdio;
use crate::sys::{self, CloneOptions};
use crate::{handshake, init, kernel, plan};

pub use created::Created;
pub use running::{Running, Signaller, set_window_size};

/// The door to this module; see [`Sandbox::create`].
#[derive(Debug)]
pub struct Sandbox;

impl Sandbox {
    /// Sets a sandbox up, up to the execution of its program.
    ///
    /// # Errors
    /// [`Error::Setup`] names the step that failed in the new process; nothing of it is left then.
    /// [`Error::KernelTooOld`] before anything was tried.
    pub fn create(bundle: Bundle, stdio: Stdio) -> Result<Created> {
        kernel::check()?;
        let name = bundle.process.args.first().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let cgroup = Cgroup::create(&bundle.resources)?;
        let network = bundle.network;
        let mut bundle = bundle;
        let root = open_root(std::mem::replace(&mut bundle.rootfs, Rootfs::Dir("/".into())))?;
        let kept_root = root.try_clone().map_err(|error| Error::system("duplicate the root's handle", error))?;
        let (streams, ends) = open_streams(stdio).map_err(|error| Error::system("open the standard streams", error))?;
        let (mut plan, stubs) = plan::build(bundle, root, streams)?;
        let (parent, child) = handshake::pair().map_err(|errno| Error::system("make a socket pair", errno))?;
        plan.close_all_but(child.0.as_fd());

        let options = CloneOptions {
            namespaces: plan::namespaces(network),
            cgroup: cgroup.as_ref().and_then(Cgroup::birthplace),
        };
        let (pid, pidfd) = clone_quietly(options, || init::run(&plan, &child))?;
        let process = SandboxProcess { pid, pidfd, reaped: false, cgroup, stubs };
        drop(child);
        let diagnosis = Diagnosis { plan, taken: 0, root: kept_root, name };
        Created { process, ends, link: parent, diagnosis }.settle()
    }
}

fn open_root(rootfs: Rootfs) -> Result<OwnedFd> {
    match rootfs {
        Rootfs::Mount(mount) => Ok(mount),
        Rootfs::Dir(path) => {
            clone_tree(&path).map_err(|source| Error::Mount { source_path: path, target: "/".into(), source })
        }
    }
}

/// Clones with all signals blocked, so that no handler of this program runs in the child.
fn clone_quietly(options: CloneOptions<'_>, child: impl FnOnce() -> i32) -> Result<(Pid, OwnedFd)> {
    let failed = |errno: nix::Error| Error::system("block signals", errno);
    let before = SigSet::all().thread_swap_mask(SigmaskHow::SIG_SETMASK).map_err(failed)?;
    let cloned = sys::clone_process(options, child);
    before.thread_set_mask().map_err(failed)?;
    cloned.map_err(|errno| Error::system("create the namespaces of a sandbox", errno))
}
