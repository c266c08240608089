//! The few words that a sandbox's first process and its parent say to each other before the exec.
//!
//! A socket pair that keeps message bounds; every message is one small record. The child's end closes by itself
//! on exec, so the end of the stream after [`Order::Start`] means that the program runs. The child's side does not
//! allocate.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, SocketFlags, SocketType, recv, recvmsg, send, sendmsg, socketpair,
};
use rustix::process::Pid;

/// What the parent tells the child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// The child is in its cgroups: set the sandbox up.
    Proceed = 1,
    /// Execute the program.
    Start = 2,
}

/// What the child tells the parent.
#[derive(Debug)]
pub(crate) enum Report {
    /// The parent's side of the pseudo terminal.
    Terminal(OwnedFd),
    /// The process that goes on instead of the one that reports.
    Child { pid: Pid, pidfd: OwnedFd },
    /// Everything is set up.
    Ready,
    /// The step of this index in the plan failed.
    StepFailed { step: usize, errno: Errno },
    /// No candidate could be executed.
    ExecFailed(Errno),
}

const RECORD: usize = 9;
const TERMINAL: u8 = 1;
const READY: u8 = 2;
const STEP_FAILED: u8 = 3;
const EXEC_FAILED: u8 = 4;
const CHILD: u8 = 5;

/// A connected pair: the parent's end, then the child's.
pub(crate) fn pair() -> Result<(ParentEnd, ChildEnd), Errno> {
    let (parent, child) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    Ok((ParentEnd(parent), ChildEnd(child)))
}

/// The end that the parent keeps.
#[derive(Debug)]
pub(crate) struct ParentEnd(OwnedFd);

impl ParentEnd {
    /// Gives an order; a child that is gone is noticed by the next [`ParentEnd::receive`].
    pub(crate) fn send(&self, order: Order) {
        let _ = retry(|| send(&self.0, &[order as u8], SendFlags::NOSIGNAL));
    }

    /// The next report; `None` when the child has executed its program or ended.
    pub(crate) fn receive(&self) -> Result<Option<Report>, Errno> {
        let mut record = [0; RECORD];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let received =
            retry(|| recvmsg(&self.0, &mut [IoSliceMut::new(&mut record)], &mut control, RecvFlags::CMSG_CLOEXEC));
        match received {
            Ok(message) if message.bytes == RECORD => {}
            Ok(_) | Err(Errno::CONNRESET) => return Ok(None),
            Err(errno) => return Err(errno),
        }
        let descriptor = control.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
            _ => None,
        });
        decode(record, descriptor).map(Some)
    }
}

fn decode(record: [u8; RECORD], descriptor: Option<OwnedFd>) -> Result<Report, Errno> {
    let [kind, a, b, c, d, e, f, g, h] = record;
    let step = u32::from_ne_bytes([a, b, c, d]) as usize;
    let errno = || Errno::from_raw_os_error(i32::from_ne_bytes([e, f, g, h]));
    match kind {
        TERMINAL => descriptor.map(Report::Terminal).ok_or(Errno::BADMSG),
        CHILD => match (Pid::from_raw(step as i32), descriptor) {
            (Some(pid), Some(pidfd)) => Ok(Report::Child { pid, pidfd }),
            _ => Err(Errno::BADMSG),
        },
        READY => Ok(Report::Ready),
        STEP_FAILED => Ok(Report::StepFailed { step, errno: errno() }),
        EXEC_FAILED => Ok(Report::ExecFailed(errno())),
        _ => Err(Errno::BADMSG),
    }
}

/// The end that the child keeps.
#[derive(Debug)]
pub(crate) struct ChildEnd(pub(crate) OwnedFd);

impl ChildEnd {
    /// Waits for `expected`; `EPIPE` when the parent is gone.
    pub(crate) fn await_order(&self, expected: Order) -> Result<(), Errno> {
        let mut byte = [0_u8];
        let (length, _) = retry(|| recv(&self.0, &mut byte, RecvFlags::empty()))?;
        if length == 0 {
            return Err(Errno::PIPE);
        }
        if byte[0] == expected as u8 { Ok(()) } else { Err(Errno::PROTO) }
    }

    /// Whether the parent has gone.
    pub(crate) fn parent_is_gone(&self) -> bool {
        let mut byte = [0_u8];
        matches!(recv(&self.0, &mut byte, RecvFlags::DONTWAIT), Ok((0, _)))
    }

    pub(crate) fn ready(&self) -> Result<(), Errno> {
        self.send(READY, 0, 0)
    }

    pub(crate) fn step_failed(&self, step: usize, errno: Errno) {
        let _ = self.send(STEP_FAILED, step as u32, errno.raw_os_error());
    }

    pub(crate) fn exec_failed(&self, errno: Errno) {
        let _ = self.send(EXEC_FAILED, 0, errno.raw_os_error());
    }

    pub(crate) fn terminal(&self, descriptor: BorrowedFd<'_>) -> Result<(), Errno> {
        self.send_descriptor(encode(TERMINAL, 0, 0), descriptor)
    }

    pub(crate) fn child(&self, pid: Pid, pidfd: BorrowedFd<'_>) -> Result<(), Errno> {
        self.send_descriptor(encode(CHILD, pid.as_raw_nonzero().get() as u32, 0), pidfd)
    }

    fn send_descriptor(&self, record: [u8; RECORD], descriptor: BorrowedFd<'_>) -> Result<(), Errno> {
        let descriptors = [descriptor];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        control.push(SendAncillaryMessage::ScmRights(&descriptors));
        retry(|| sendmsg(&self.0, &[IoSlice::new(&record)], &mut control, SendFlags::NOSIGNAL)).map(drop)
    }

    fn send(&self, kind: u8, step: u32, errno: i32) -> Result<(), Errno> {
        retry(|| send(&self.0, &encode(kind, step, errno), SendFlags::NOSIGNAL)).map(drop)
    }
}

fn encode(kind: u8, step: u32, errno: i32) -> [u8; RECORD] {
    let [a, b, c, d] = step.to_ne_bytes();
    let [e, f, g, h] = errno.to_ne_bytes();
    [kind, a, b, c, d, e, f, g, h]
}

fn retry<T>(mut call: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            other => return other,
        }
    }
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use super::{Order, Report, pair};

    #[test]
    fn reports_arrive_in_order_and_whole() {
        let (parent, child) = pair().unwrap();
        let file = std::fs::File::open("/dev/null").unwrap();
        child.terminal(std::os::fd::AsFd::as_fd(&file)).unwrap();
        child.ready().unwrap();
        child.step_failed(70_000, Errno::PERM);
        child.exec_failed(Errno::NOENT);
        drop(child);
        assert!(matches!(parent.receive().unwrap(), Some(Report::Terminal(_))));
        assert!(matches!(parent.receive().unwrap(), Some(Report::Ready)));
        assert!(matches!(parent.receive().unwrap(), Some(Report::StepFailed { step: 70_000, errno: Errno::PERM })));
        assert!(matches!(parent.receive().unwrap(), Some(Report::ExecFailed(Errno::NOENT))));
        assert!(parent.receive().unwrap().is_none());
    }

    #[test]
    fn a_parent_that_is_gone_is_noticed() {
        let (parent, child) = pair().unwrap();
        parent.send(Order::Proceed);
        child.await_order(Order::Proceed).unwrap();
        assert!(!child.parent_is_gone());
        drop(parent);
        assert!(child.parent_is_gone());
        assert_eq!(child.await_order(Order::Start), Err(Errno::PIPE));
    }
}
