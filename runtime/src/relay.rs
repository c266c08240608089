//! The process that stays outside a user namespace: passes signals in and the exit status out.

use nix::errno::Errno as NixErrno;
use nix::sys::signal::{SigSet, Signal as NixSignal, kill, raise};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::error::{Error, Result};
use crate::exit::ExitStatus;

/// `si_code` of a signal that a person typed: the kernel has sent it to the whole foreground group already.
const SENT_BY_KERNEL: i32 = 0x80;

/// Waits for `child` and passes on what other processes send. All signals must be blocked.
pub(crate) fn relay(child: Pid) -> Result<ExitStatus> {
    let failed = |errno: NixErrno| Error::system("wait for dhow inside its user namespace", errno);
    let signals = SignalFd::with_flags(&SigSet::all(), SfdFlags::SFD_CLOEXEC).map_err(failed)?;
    loop {
        if let Some(status) = collect(child).map_err(failed)? {
            return Ok(status);
        }
        let Some(signal) = signals.read_signal().map_err(failed)? else { continue };
        let number = signal.ssi_signo as i32;
        if number == libc::SIGCHLD || signal.ssi_code == SENT_BY_KERNEL {
            continue;
        }
        if let Ok(signal) = NixSignal::try_from(number) {
            let _ = kill(child, signal);
        }
    }
}

/// The child's end, if it has come. A stopped child stops this process too, so that a shell sees the job stopped.
fn collect(child: Pid) -> nix::Result<Option<ExitStatus>> {
    match waitpid(child, Some(WaitPidFlag::WNOHANG | WaitPidFlag::WUNTRACED))? {
        WaitStatus::Exited(_, code) => Ok(Some(ExitStatus::Code(code))),
        WaitStatus::Signaled(_, signal, _) => Ok(Some(ExitStatus::Signal(signal as i32))),
        WaitStatus::Stopped(..) => {
            raise(NixSignal::SIGSTOP)?;
            kill(child, NixSignal::SIGCONT)?;
            Ok(None)
        }
        _ => Ok(None),
    }
}
