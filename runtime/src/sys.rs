//! Every `unsafe` of dhow: the system calls that neither rustix nor nix wraps safely.
//!
//! Each function wraps one call and states why its use is sound. Nothing here decides anything; nothing here
//! allocates, so all of it may run in the child between clone and exec. Man pages, section 2, are the spec.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::Pid;
use rustix::thread::UnshareFlags;

/// A NULL-terminated array of C strings as `execve(2)` wants it, built before the clone.
#[derive(Debug)]
pub(crate) struct CStringArray {
    pointers: Vec<*const libc::c_char>,
    /// Keeps alive what `pointers` points to; a `CString` does not move its bytes when it is moved.
    _strings: Vec<CString>,
}

impl CStringArray {
    pub(crate) fn new(strings: Vec<CString>) -> Self {
        let pointers = strings.iter().map(|s| s.as_ptr()).chain([ptr::null()]).collect();
        Self { pointers, _strings: strings }
    }
}

fn last_errno() -> Errno {
    Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)
}

fn check(result: libc::c_long) -> Result<libc::c_long, Errno> {
    if result == -1 { Err(last_errno()) } else { Ok(result) }
}

/// `CLONE_INTO_CGROUP` of the kernel's `linux/sched.h`; libc's constant is too narrow.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// Which namespaces a new child gets, and the cgroup v2 directory it is born in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CloneOptions<'fd> {
    /// `CLONE_NEW*` flags.
    pub(crate) namespaces: UnshareFlags,
    /// Open directory of a cgroup v2.
    pub(crate) cgroup: Option<BorrowedFd<'fd>>,
}

/// Makes a child process that runs `child` and leaves with the code that it returns; gives its id and pidfd.
///
/// `child` runs on a copy of this thread's memory, in which locks of other threads may be held for ever: it must
/// not allocate, lock or panic. A panic in it ends the child at once instead of unwinding into the caller's frames.
pub(crate) fn clone_process(options: CloneOptions<'_>, child: impl FnOnce() -> i32) -> Result<(Pid, OwnedFd), Errno> {
    // SAFETY: an all-zero `clone_args` is valid: every field is an integer.
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    args.flags = u64::from(options.namespaces.bits());
    args.exit_signal = libc::SIGCHLD as u64;
    if let Some(directory) = options.cgroup {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = directory.as_raw_fd() as u64;
    }
    clone3(args, child)
}

/// As [`clone_process`], but the new process is a child of this one's parent.
pub(crate) fn clone_sibling(child: impl FnOnce() -> i32) -> Result<(Pid, OwnedFd), Errno> {
    // SAFETY: an all-zero `clone_args` is valid: every field is an integer.
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    args.flags = libc::CLONE_PARENT as u64;
    clone3(args, child)
}

fn clone3(mut args: libc::clone_args, child: impl FnOnce() -> i32) -> Result<(Pid, OwnedFd), Errno> {
    let mut pidfd: RawFd = -1;
    args.flags |= libc::CLONE_PIDFD as u64;
    args.pidfd = &raw mut pidfd as u64;
    // SAFETY: no CLONE_VM and no stack, so this is a fork: the child goes on in its own copy of all memory.
    // `args` outlives the call and has the size that is passed.
    let pid = check(unsafe { libc::syscall(libc::SYS_clone3, &raw mut args, size_of::<libc::clone_args>()) })?;
    match Pid::from_raw(pid as i32) {
        // SAFETY: the kernel stored a new descriptor, owned by nobody else, in `pidfd`.
        Some(pid) => Ok((pid, unsafe { OwnedFd::from_raw_fd(pidfd) })),
        None => {
            let code = LeaveOnUnwind.run(child);
            exit_now(code)
        }
    }
}

/// Ends the child when a panic unwinds through it: the frames above belong to the parent.
struct LeaveOnUnwind;

impl LeaveOnUnwind {
    fn run(self, child: impl FnOnce() -> i32) -> i32 {
        let code = child();
        std::mem::forget(self);
        code
    }
}

impl Drop for LeaveOnUnwind {
    fn drop(&mut self) {
        exit_now(125);
    }
}

/// Ends this process at once: no destructors, no exit handlers.
pub(crate) fn exit_now(code: i32) -> ! {
    // SAFETY: `_exit` has no preconditions.
    unsafe { libc::_exit(code) }
}

/// Forks; `None` in the child. Only for a process with one thread, whose child may go on as an ordinary program.
pub(crate) fn fork() -> Result<Option<Pid>, Errno> {
    // SAFETY: callers have one thread, so no lock is held by a thread that the child lacks.
    let pid = check(libc::c_long::from(unsafe { libc::fork() }))?;
    Ok(Pid::from_raw(pid as i32))
}

/// Replaces the program. Returns only on failure.
pub(crate) fn execve(path: &CStr, arguments: &CStringArray, environment: &CStringArray) -> Errno {
    // SAFETY: both arrays are NULL-terminated and point to strings that live as long as `self`.
    unsafe { libc::execve(path.as_ptr(), arguments.pointers.as_ptr(), environment.pointers.as_ptr()) };
    last_errno()
}

/// `unshare(2)` with namespaces only.
pub(crate) fn unshare(namespaces: UnshareFlags) -> Result<(), Errno> {
    // SAFETY: no CLONE_FILES and no CLONE_FS without CLONE_NEWNS: nothing that Rust code relies on is taken away.
    unsafe { rustix::thread::unshare_unsafe(namespaces) }
}

/// Gives every signal its default action, as Rust programs ignore SIGPIPE and dhow's caller may ignore others.
pub(crate) fn reset_signal_actions() {
    // The kernel's own structure (handler, flags, restorer, mask), since libc hides the signals that it uses itself.
    let default_action = [0_u64; 4];
    for signal in 1..=64 {
        // SAFETY: all zeroes mean SIG_DFL with no flags; the mask is 8 bytes wide; numbers that cannot be set fail.
        unsafe {
            let no_old = ptr::null_mut::<u64>();
            libc::syscall(libc::SYS_rt_sigaction, signal, default_action.as_ptr(), no_old, size_of::<u64>());
        }
    }
}

/// Makes the mount that `tree` refers to, and all below it, read-only: `mount_setattr(2)`.
pub(crate) fn make_tree_read_only(tree: BorrowedFd<'_>) -> Result<(), Errno> {
    let attributes = libc::mount_attr { attr_set: libc::MOUNT_ATTR_RDONLY, attr_clr: 0, propagation: 0, userns_fd: 0 };
    // SAFETY: the path is an empty C string and `attributes` has the size that is passed.
    check(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            tree.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH | libc::AT_RECURSIVE,
            &raw const attributes,
            size_of::<libc::mount_attr>(),
        )
    })
    .map(drop)
}

/// Closes the descriptors `first..=last`; with `CLOSE_RANGE_CLOEXEC` in `flags` they close on exec instead.
pub(crate) fn close_range(first: u32, last: u32, flags: u32) -> Result<(), Errno> {
    // SAFETY: only called in the child with ranges that hold none of its own descriptors.
    check(unsafe { libc::syscall(libc::SYS_close_range, first, last, flags) }).map(drop)
}

/// Installs a classic BPF program as this thread's seccomp filter.
pub(crate) fn set_seccomp_filter(program: &[libc::sock_filter]) -> Result<(), Errno> {
    let filter = libc::sock_fprog { len: program.len() as u16, filter: program.as_ptr().cast_mut() };
    // SAFETY: the kernel copies `len` instructions from `filter`, which is `program`, and does not write there.
    check(unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const filter) }).map(drop)
}

/// Sends a signal by number, real-time signals too.
pub(crate) fn pidfd_send_signal(pidfd: BorrowedFd<'_>, signal: i32) -> Result<(), Errno> {
    let no_info = ptr::null::<libc::siginfo_t>();
    // SAFETY: a null `info` is allowed and means what kill(2) would send.
    check(unsafe { libc::syscall(libc::SYS_pidfd_send_signal, pidfd.as_raw_fd(), signal, no_info, 0) }).map(drop)
}

/// What `wait4(2)` tells of a child that ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Waited {
    /// The raw wait status.
    pub(crate) status: i32,
    pub(crate) user_time: Duration,
    pub(crate) system_time: Duration,
    /// Largest resident set of one process, in bytes.
    pub(crate) max_resident: u64,
}

/// Waits for a child to end and reaps it; with `WNOHANG` in `options`, `None` when it still runs.
pub(crate) fn wait4(pid: Pid, options: i32) -> Result<Option<Waited>, Errno> {
    let mut status = 0;
    // SAFETY: an all-zero rusage is valid: every field is an integer.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    loop {
        // SAFETY: both pointers are valid for writes during the call.
        let waited = unsafe { libc::wait4(pid.as_raw_nonzero().get(), &raw mut status, options, &raw mut usage) };
        match check(libc::c_long::from(waited)) {
            Ok(0) => return Ok(None),
            Ok(_) => break,
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(Some(Waited {
        status,
        user_time: duration(usage.ru_utime),
        system_time: duration(usage.ru_stime),
        max_resident: u64::try_from(usage.ru_maxrss).unwrap_or(0) * 1024,
    }))
}

fn duration(time: libc::timeval) -> Duration {
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_usec).unwrap_or(0) * 1000)
}

/// Sets the flag IFF_UP of the interface `lo` in this network namespace; `socket` is any IP socket of it.
pub(crate) fn bring_loopback_up(socket: BorrowedFd<'_>) -> Result<(), Errno> {
    // SAFETY: an all-zero ifreq is valid; the name is NUL-terminated by the zeroes that follow it.
    unsafe {
        let mut request: libc::ifreq = std::mem::zeroed();
        request.ifr_name[0] = b'l' as libc::c_char;
        request.ifr_name[1] = b'o' as libc::c_char;
        check(libc::c_long::from(libc::ioctl(socket.as_raw_fd(), libc::SIOCGIFFLAGS as _, &raw mut request)))?;
        request.ifr_ifru.ifru_flags |= libc::IFF_UP as libc::c_short;
        check(libc::c_long::from(libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS as _, &raw mut request)))?;
    }
    Ok(())
}

/// Makes the open descriptor `slot` refer to the file of `source`; its owner goes on owning the number.
pub(crate) fn replace_descriptor(source: OwnedFd, slot: RawFd) -> Result<(), Errno> {
    // SAFETY: callers pass the number of a descriptor that the plan owns and that no other code refers to as a file.
    check(libc::c_long::from(unsafe { libc::dup3(source.as_raw_fd(), slot, libc::O_CLOEXEC) })).map(drop)
}
