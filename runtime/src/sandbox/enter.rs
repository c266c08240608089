//! Another program in a sandbox that runs already (`dhow exec`).
//!
//! A pid namespace can be joined by new processes only, so a first process joins the namespaces and makes a second one
//! in them, as a child of the same parent, which goes on alone. OCI runtime spec, `runtime.md`; setns(2).

use std::os::fd::AsFd;

use rustix::fs::{Mode, OFlags, open};
use rustix::thread::UnshareFlags;

use crate::error::{Error, Result};
use crate::handshake;
use crate::init;
use crate::mountpoint::Stubs;
use crate::namespaces::Namespaces;
use crate::plan;
use crate::process::Process;
use crate::sandbox::clone_quietly;
use crate::sandbox::created::Created;
use crate::sandbox::diagnosis::Diagnosis;
use crate::sandbox::process::SandboxProcess;
use crate::sandbox::running::Running;
use crate::sandbox::streams::open_streams;
use crate::seccomp::Seccomp;
use crate::stdio::Stdio;
use crate::sys::CloneOptions;

impl Running {
    /// A handle of the root directory that the program sees, with all that is mounted there.
    ///
    /// # Errors
    /// [`Error::Io`] when the program has ended.
    pub fn root(&self) -> Result<std::os::fd::OwnedFd> {
        let path = format!("/proc/{}/root", self.pid());
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        open(&path, flags, Mode::empty()).map_err(|errno| Error::io("open", path, errno))
    }

    /// Sets another program up in this sandbox; it ends with it at the latest. The working directory must exist.
    ///
    /// # Errors
    /// [`Error::Setup`] names the step that failed.
    pub fn enter(&self, process: &Process, seccomp: Seccomp, stdio: Stdio) -> Result<Created> {
        let name = process.args.first().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let root = self.root()?;
        let target =
            self.process.pidfd.try_clone().map_err(|error| Error::system("duplicate a process handle", error))?;
        let (streams, ends) = open_streams(stdio).map_err(|error| Error::system("open the standard streams", error))?;
        let target = Namespaces::of(self.pid(), target);
        let mut plan = plan::build_entry((process, seccomp), target, streams)?;
        let (parent, child) = handshake::pair().map_err(|errno| Error::system("make a socket pair", errno))?;
        plan.close_all_but(child.0.as_fd());
        let options = CloneOptions { namespaces: UnshareFlags::empty(), cgroup: None };
        let (pid, pidfd) = clone_quietly(options, || init::run(&plan, &child))?;
        let process = SandboxProcess { pid, pidfd, reaped: false, cgroup: None, stubs: Stubs::default() };
        drop(child);
        if let Some(cgroup) = &self.process.cgroup {
            cgroup.adopt(pid)?;
        }
        let diagnosis = Diagnosis { plan, taken: 0, root, name };
        Created { process, ends, link: parent, diagnosis }.settle()
    }
}
