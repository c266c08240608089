//! Which process a number means: a process id together with the time that the process started.
//!
//! Ids are used again, so a file that names a process names both. proc_pid_stat(5), field 22.

use std::fmt;
use std::fs;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A process of this machine and boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ProcessId {
    /// As seen in this pid namespace.
    pub(crate) pid: i32,
    /// In clock ticks since boot.
    pub(crate) start_time: u64,
}

impl ProcessId {
    /// This process.
    pub(crate) fn current() -> Self {
        let pid = rustix::process::getpid().as_raw_nonzero().get();
        Self::of(pid).unwrap_or(Self { pid, start_time: 0 })
    }

    /// The process that has this number now; `None` when there is none, or only its remains.
    pub(crate) fn of(pid: i32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The second field is the program's name in parentheses and may hold anything.
        let (_, fields) = stat.rsplit_once(')')?;
        let mut fields = fields.split_ascii_whitespace();
        let state = fields.next()?;
        let start_time = fields.nth(18)?.parse().ok()?;
        (!matches!(state, "Z" | "X")).then_some(Self { pid, start_time })
    }

    /// Whether this very process still runs.
    pub(crate) fn is_alive(self) -> bool {
        Self::of(self.pid) == Some(self)
    }
}

impl fmt::Display for ProcessId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.pid, self.start_time)
    }
}

impl FromStr for ProcessId {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (pid, start_time) = text.split_once('-').ok_or(())?;
        Ok(Self { pid: pid.parse().map_err(drop)?, start_time: start_time.parse().map_err(drop)? })
    }
}

#[cfg(test)]
mod tests {
    use super::ProcessId;

    #[test]
    fn a_process_is_alive_until_it_is_reaped_or_a_zombie() {
        let this = ProcessId::current();
        assert!(this.is_alive());
        assert_eq!(this.to_string().parse(), Ok(this));
        assert!(!ProcessId { start_time: this.start_time + 1, ..this }.is_alive());
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let other = ProcessId::of(child.id() as i32).unwrap();
        child.kill().unwrap();
        while other.is_alive() {
            std::thread::yield_now();
        }
        child.wait().unwrap();
        assert_eq!(ProcessId::of(child.id() as i32), None);
    }
}
