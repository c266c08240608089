//! The parent's side of a sandbox: create, start, wait, with a type for each state.
//!
//! One clone makes the first process; it takes the steps of the plan (`init.rs`) and waits; [`Created::start`] lets it
//! execute the program. The program is process 1 of its pid namespace, so all processes end with it, and it ends with
//! the thread that created it: keep that thread alive until the wait is over. Dropping any of the states kills,
//! reaps and cleans up. OCI runtime spec, `runtime.md`.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::sys::signal::{SigSet, SigmaskHow};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::Pid;

use crate::bundle::{Bundle, Rootfs};
use crate::cgroup::Cgroup;
use crate::error::{Error, Result};
use crate::exec_problem;
use crate::exit::{Exit, ExitStatus, Usage};
use crate::handshake::{self, Order, ParentEnd, Report};
use crate::init;
use crate::mount_plan::clone_tree;
use crate::mountpoint::Stubs;
use crate::plan::{self, Plan, Streams};
use crate::signal::Signal;
use crate::stdio::{Direction, Stdio, WindowSize};
use crate::sys::{self, CloneOptions, Waited};

/// The door to this module; see [`Sandbox::create`].
#[derive(Debug)]
pub struct Sandbox;

impl Sandbox {
    /// Sets a sandbox up, up to the execution of its program.
    ///
    /// # Errors
    /// [`Error::Setup`] names the step that failed in the new process; nothing of it is left then.
    pub fn create(bundle: Bundle, stdio: Stdio) -> Result<Created> {
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
        let diagnosis = Diagnosis { plan, root: kept_root, name };
        Created { process, ends, link: parent, diagnosis }.settle()
    }
}

/// A sandbox that is set up and waits for its start.
#[derive(Debug)]
pub struct Created {
    process: SandboxProcess,
    ends: ParentStreams,
    link: ParentEnd,
    diagnosis: Diagnosis,
}

impl Created {
    /// Waits for the first process to have taken all steps.
    fn settle(mut self) -> Result<Self> {
        if let Some(cgroup) = &self.process.cgroup {
            cgroup.place(self.process.pid)?;
        }
        self.link.send(Order::Proceed);
        loop {
            match self.receive()? {
                Some(Report::Terminal(terminal)) => self.ends.terminal = Some(terminal),
                Some(Report::Ready) => {
                    self.diagnosis.forget_descriptors();
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

/// A sandbox whose program runs.
#[derive(Debug)]
pub struct Running {
    process: SandboxProcess,
    ends: ParentStreams,
}

impl Running {
    /// The process id of the program in this process's pid namespace.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.process.pid.as_raw_nonzero().get()
    }

    /// The end of the pipe that feeds the program's standard input, once.
    pub fn take_stdin(&mut self) -> Option<OwnedFd> {
        self.ends.stdin.take()
    }

    /// The end of the pipe that carries the program's standard output, once.
    pub fn take_stdout(&mut self) -> Option<OwnedFd> {
        self.ends.stdout.take()
    }

    /// The end of the pipe that carries the program's standard error, once.
    pub fn take_stderr(&mut self) -> Option<OwnedFd> {
        self.ends.stderr.take()
    }

    /// This side of the program's terminal, once. Reading fails with `EIO` when the last process has left it.
    pub fn take_terminal(&mut self) -> Option<OwnedFd> {
        self.ends.terminal.take()
    }

    /// A handle that sends signals to the program, from any thread, also while another waits.
    ///
    /// # Errors
    /// [`Error::System`] when this process has no descriptor left.
    pub fn signaller(&self) -> Result<Signaller> {
        let pidfd = self.process.pidfd.try_clone();
        pidfd.map(Signaller).map_err(|error| Error::system("duplicate a process handle", error))
    }

    /// Sends a signal to the program. A program that is gone is no error. As process 1, the program gets only signals
    /// that it handles, and SIGKILL and SIGSTOP.
    ///
    /// # Errors
    /// [`Error::System`] when the kernel refuses.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        send(&self.process.pidfd, signal)
    }

    /// Ends every process of the sandbox at once.
    ///
    /// # Errors
    /// [`Error::System`] when the kernel refuses.
    pub fn kill(&self) -> Result<()> {
        self.signal(Signal::KILL)
    }

    /// Waits for the program to end, and with it all its processes, and removes what was made for the run.
    ///
    /// # Errors
    /// [`Error::System`] when the process was reaped by someone else, or a mount point could not be removed.
    pub fn wait(mut self) -> Result<Exit> {
        let waited = self.process.reap()?;
        self.process.finish(waited)
    }

    /// Waits for at most `timeout` for the program to end; after that the sandbox can be waited for again.
    ///
    /// # Errors
    /// [`Error::System`] when the kernel refuses.
    pub fn has_ended_within(&self, timeout: Duration) -> Result<bool> {
        let deadline = Instant::now() + timeout;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let left = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: left.subsec_nanos().into() };
            match poll(&mut [PollFd::new(&self.process.pidfd, PollFlags::IN)], Some(&left)) {
                Ok(ready) => return Ok(ready > 0),
                Err(rustix::io::Errno::INTR) => {}
                Err(errno) => return Err(Error::system("wait for a process", errno)),
            }
        }
    }
}

impl AsFd for Running {
    /// The process's pidfd, which is readable once the program has ended.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.process.pidfd.as_fd()
    }
}

/// Sends signals to a sandbox's program.
#[derive(Debug)]
pub struct Signaller(OwnedFd);

impl Signaller {
    /// As [`Running::signal`].
    ///
    /// # Errors
    /// [`Error::System`] when the kernel refuses.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        send(&self.0, signal)
    }

    /// As [`Running::kill`].
    ///
    /// # Errors
    /// [`Error::System`] when the kernel refuses.
    pub fn kill(&self) -> Result<()> {
        self.signal(Signal::KILL)
    }
}

/// Tells the size of the window that shows a terminal, to its program as well.
///
/// # Errors
/// [`Error::System`] when `terminal` is none.
pub fn set_window_size(terminal: impl AsFd, size: WindowSize) -> Result<()> {
    let size = rustix::termios::Winsize { ws_row: size.rows, ws_col: size.columns, ws_xpixel: 0, ws_ypixel: 0 };
    rustix::termios::tcsetwinsize(terminal, size).map_err(|errno| Error::system("set the size of a terminal", errno))
}

fn send(pidfd: &OwnedFd, signal: Signal) -> Result<()> {
    match sys::pidfd_send_signal(pidfd.as_fd(), signal.number()) {
        Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(errno) => Err(Error::system("send a signal", errno)),
    }
}

/// The first process, and what goes with it.
#[derive(Debug)]
struct SandboxProcess {
    pid: Pid,
    pidfd: OwnedFd,
    reaped: bool,
    cgroup: Option<Cgroup>,
    stubs: Stubs,
}

impl SandboxProcess {
    fn reap(&mut self) -> Result<Waited> {
        let waited = sys::wait4(self.pid, 0).map_err(|errno| Error::system("wait for a process", errno))?;
        self.reaped = true;
        waited.ok_or_else(|| Error::system("wait for a process", rustix::io::Errno::CHILD))
    }

    fn finish(&mut self, waited: Waited) -> Result<Exit> {
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

/// This side of the standard streams.
#[derive(Debug, Default)]
struct ParentStreams {
    stdin: Option<OwnedFd>,
    stdout: Option<OwnedFd>,
    stderr: Option<OwnedFd>,
    terminal: Option<OwnedFd>,
}

/// What it takes to put a failure into words.
#[derive(Debug)]
struct Diagnosis {
    plan: Plan,
    root: OwnedFd,
    name: String,
}

impl Diagnosis {
    /// Closes what the child has got by now; the words for steps stay.
    fn forget_descriptors(&mut self) {
        self.plan.steps.clear();
    }

    fn error(&self, failure: &Report) -> Error {
        match failure {
            Report::StepFailed { step, errno } => Error::Setup {
                step: self.plan.steps.get(*step).map_or_else(|| "set up the process".to_owned(), ToString::to_string),
                source: (*errno).into(),
            },
            Report::ExecFailed(errno) => Error::Exec {
                program: self.name.clone(),
                problem: exec_problem::diagnose(self.root.as_fd(), &self.plan.program, *errno),
            },
            Report::Ready | Report::Terminal(_) => {
                Error::system("hear from the sandbox's first process", rustix::io::Errno::PROTO)
            }
        }
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

fn open_streams(stdio: Stdio) -> io::Result<(Streams, ParentStreams)> {
    match stdio {
        Stdio::Terminal(size) => Ok((Streams::Terminal(size), ParentStreams::default())),
        Stdio::Streams { stdin, stdout, stderr } => {
            let mut stdin = stdin.open(Direction::In)?;
            let mut stdout = stdout.open(Direction::Out)?;
            let mut stderr = stderr.open(Direction::Out)?;
            let parent = ParentStreams {
                stdin: stdin.parent.take(),
                stdout: stdout.parent.take(),
                stderr: stderr.parent.take(),
                terminal: None,
            };
            Ok((Streams::Separate([stdin, stdout, stderr]), parent))
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
