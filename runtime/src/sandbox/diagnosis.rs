//! Puts what a child reports into words.

use std::os::fd::{AsFd, OwnedFd};

use crate::error::Error;
use crate::exec_problem;
use crate::handshake::Report;
use crate::plan::Plan;
use crate::step::Step;

/// What it takes to put a failure into words.
#[derive(Debug)]
pub(super) struct Diagnosis {
    pub(super) plan: Plan,
    /// How many steps of the plan have been taken and forgotten.
    pub(super) taken: usize,
    pub(super) root: OwnedFd,
    pub(super) name: String,
}

impl Diagnosis {
    /// Closes what the child has got by now, with the steps that needed it; those still to come are kept.
    pub(super) fn forget_taken(&mut self) {
        let last = self.plan.steps.iter().position(|step| matches!(step, Step::AwaitStart));
        self.taken = last.unwrap_or(0);
        self.plan.steps.drain(..self.taken);
    }

    /// The failure in words.
    pub(super) fn error(&self, failure: &Report) -> Error {
        match failure {
            Report::StepFailed { step, errno } => Error::Setup { step: self.words(*step), source: (*errno).into() },
            Report::ExecFailed(errno) => Error::Exec {
                program: self.name.clone(),
                problem: exec_problem::diagnose(self.root.as_fd(), &self.plan.program, *errno),
            },
            Report::Ready | Report::Terminal(_) | Report::Child { .. } => {
                Error::system("hear from the sandbox's first process", rustix::io::Errno::PROTO)
            }
        }
    }

    fn words(&self, step: usize) -> String {
        let step = step.checked_sub(self.taken).and_then(|index| self.plan.steps.get(index));
        step.map_or_else(|| "set up the process".to_owned(), ToString::to_string)
    }
}
