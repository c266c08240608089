//! A sandbox that is set up: its first process waits to execute the program.

use crate::error::{Error, Result};
use crate::exit::ExitStatus;
use crate::handshake::{Order, ParentEnd, Report};
use crate::sandbox::diagnosis::Diagnosis;
use crate::sandbox::process::SandboxProcess;
use crate::sandbox::running::Running;
use crate::sandbox::streams::ParentStreams;

/// A sandbox that is set up and waits for its start.
#[derive(Debug)]
pub struct Created {
    pub(super) process: SandboxProcess,
    pub(super) ends: ParentStreams,
    pub(super) link: ParentEnd,
    pub(super) diagnosis: Diagnosis,
}

impl Created {
    /// Waits for the first process to have taken all steps.
    pub(super) fn settle(mut self) -> Result<Self> {
        if let Some(cgroup) = &self.process.cgroup {
            cgroup.place(self.process.pid)?;
        }
        self.link.send(Order::Proceed);
        loop {
            match self.receive()? {
                Some(Report::Child { pid, pidfd }) => {
                    self.process.become_child(pid, pidfd)?;
                    self.link.send(Order::Proceed);
                }
                Some(Report::Terminal(terminal)) => self.ends.terminal = Some(terminal),
                Some(Report::Ready) => {
                    self.diagnosis.forget_taken();
                    return Ok(self);
                }
                Some(failure) => return Err(self.diagnosis.error(&failure)),
                None => return Err(self.died()),
            }
        }
    }

    /// Executes the program.
    ///
    /// # Errors
    /// [`Error::Exec`] says why the program cannot be executed.
    pub fn start(self) -> Result<Running> {
        self.link.send(Order::Start);
        match self.receive()? {
            None => Ok(Running { process: self.process, ends: self.ends }),
            Some(failure) => Err(self.diagnosis.error(&failure)),
        }
    }

    /// The process id of the first process in this process's pid namespace.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.process.pid.as_raw_nonzero().get()
    }

    fn receive(&self) -> Result<Option<Report>> {
        self.link.receive().map_err(|errno| Error::system("hear from the sandbox's first process", errno))
    }

    fn died(&mut self) -> Error {
        match self.process.reap() {
            Ok(waited) => Error::Died { status: ExitStatus::from_wait(waited.status).to_string() },
            Err(error) => error,
        }
    }
}
