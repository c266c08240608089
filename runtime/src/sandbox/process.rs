//! The first process of a sandbox and what is tied to it: reaped once, killed when forgotten.

use std::os::fd::{AsFd, OwnedFd};

use rustix::process::Pid;

use crate::cgroup::Cgroup;
use crate::error::{Error, Result};
use crate::exit::{Exit, ExitStatus, Usage};
use crate::mountpoint::Stubs;
use crate::sys::{self, Waited};

/// The first process, and what goes with it.
#[derive(Debug)]
pub(super) struct SandboxProcess {
    pub(super) pid: Pid,
    pub(super) pidfd: OwnedFd,
    pub(super) reaped: bool,
    pub(super) cgroup: Option<Cgroup>,
    pub(super) stubs: Stubs,
}

impl SandboxProcess {
    pub(super) fn reap(&mut self) -> Result<Waited> {
        let waited = sys::wait4(self.pid, 0).map_err(|errno| Error::system("wait for a process", errno))?;
        self.reaped = true;
        waited.ok_or_else(|| Error::system("wait for a process", rustix::io::Errno::CHILD))
    }

    /// Goes on with the process that the first one has made inside the namespaces of another sandbox.
    pub(super) fn become_child(&mut self, pid: Pid, pidfd: OwnedFd) -> Result<()> {
        self.reap()?;
        *self = Self { pid, pidfd, reaped: false, cgroup: self.cgroup.take(), stubs: std::mem::take(&mut self.stubs) };
        Ok(())
    }

    pub(super) fn finish(&mut self, waited: Waited) -> Result<Exit> {
        let peak = self.cgroup.as_ref().and_then(Cgroup::peak_memory);
        let usage = Usage {
            user_time: waited.user_time,
            system_time: waited.system_time,
            peak_memory: peak.unwrap_or(waited.max_resident),
            out_of_memory_kills: self.cgroup.as_ref().map_or(0, Cgroup::out_of_memory_kills),
        };
        self.cgroup = None;
        self.stubs.remove().map_err(|error| Error::system("remove a mount point from the root", error))?;
        Ok(Exit { status: ExitStatus::from_wait(waited.status), usage })
    }
}

impl Drop for SandboxProcess {
    fn drop(&mut self) {
        if !self.reaped {
            let _ = sys::pidfd_send_signal(self.pidfd.as_fd(), libc::SIGKILL);
            let _ = sys::wait4(self.pid, 0);
        }
    }
}
