//! Takes this process to the best rung of the ladder of isolation, once, before any thread exists.
//!
//! Root gets a mount namespace of its own, so that a dhow that is killed leaves no mount behind. An ordinary user's
//! process forks: the child goes on as root of a new user namespace, the parent stays outside and passes signals and
//! the exit status on. There is no re-execution, since a process with one thread may go on after a fork. Code that
//! runs later sees user id 0 on every rung but the last. user_namespaces(7), mount_namespaces(7).

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;

use nix::sys::signal::{SigSet, SigmaskHow};
use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;
use rustix::mount::{MountPropagationFlags, mount_change};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{
    Gid, Pid, PidfdFlags, Signal, Uid, chroot, fchdir, getegid, geteuid, getpid, pidfd_open,
    set_parent_process_death_signal,
};
use rustix::thread::{
    ThreadNameSpaceType, UnshareFlags, move_into_thread_name_spaces, set_thread_res_gid, set_thread_res_uid,
};

use crate::error::{Error, Result};
use crate::exit::ExitStatus;
use crate::idmap::IdMaps;
use crate::privilege::{Privilege, Rung};
use crate::relay::relay;
use crate::sys;

/// In which process [`enter`] has returned.
#[derive(Debug)]
pub enum Entered {
    /// The process that is to do the work.
    Inside(Privilege),
    /// The process that has stayed outside, when the work is done: exit at once with [`ExitStatus::code`].
    Outside(ExitStatus),
}

/// Climbs the ladder as far as this machine lets this user. Call it first thing in `main`: it forks, and a process
/// with threads cannot enter a user namespace.
///
/// # Errors
/// [`Error::System`] when the work's process cannot be made or waited for. A machine that allows no namespaces is not
/// an error but the last rung.
pub fn enter() -> Result<Entered> {
    let mut reasons = Vec::new();
    if geteuid().is_root() {
        match enter_mount_namespace() {
            Ok(()) => return Ok(Entered::Inside(Privilege::of_namespace_root())),
            Err(errno) => reasons.push(format!("root may not create a mount namespace here: {}", io_error(errno))),
        }
    }
    let mut maps = IdMaps::for_user(geteuid().as_raw());
    loop {
        let reason = match enter_user_namespace(&maps)? {
            Attempt::Entered(entered) => return Ok(entered),
            Attempt::Refused(reason) => reason,
        };
        reasons.push(reason.clone());
        // Refused subordinate ids do not mean that a single one is refused.
        match maps {
            IdMaps::Subordinate { .. } => maps = IdMaps::Single { reason },
            IdMaps::Single { .. } => break,
        }
    }
    let privilege = Privilege { rung: Rung::NoNamespaces, reason: reasons.join("; "), outer_uid: geteuid().as_raw() };
    Ok(Entered::Inside(privilege))
}

fn io_error(errno: Errno) -> std::io::Error {
    errno.into()
}

/// Mounts that are made from now on stay in this process and its children; the host's own still come in.
fn enter_mount_namespace() -> std::result::Result<(), Errno> {
    sys::unshare(UnshareFlags::NEWNS)?;
    match keep_mounts() {
        // In a chroot, `/` is no mount point.
        Err(Errno::INVAL) => outside_of_chroot(keep_mounts),
        other => other,
    }
}

fn keep_mounts() -> std::result::Result<(), Errno> {
    mount_change(c"/", MountPropagationFlags::REC | MountPropagationFlags::DOWNSTREAM)
}

/// Does something at the root of the mount namespace and comes back. Joining one's own namespace leads to its root.
fn outside_of_chroot(action: impl FnOnce() -> std::result::Result<(), Errno>) -> std::result::Result<(), Errno> {
    let handle = |path| open(path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
    let (root, cwd) = (handle("/")?, handle(".")?);
    let this = pidfd_open(getpid(), PidfdFlags::empty())?;
    move_into_thread_name_spaces(this.as_fd(), ThreadNameSpaceType::MOUNT)?;
    let result = action();
    fchdir(&root)?;
    chroot(c".")?;
    fchdir(&cwd)?;
    result
}

/// What came of one try.
enum Attempt {
    Entered(Entered),
    /// Not with these maps, for this reason.
    Refused(String),
}

fn enter_user_namespace(maps: &IdMaps) -> Result<Attempt> {
    let failed = |errno: Errno| Error::system("make a pipe", errno);
    let (from_child, to_parent) = pipe_with(PipeFlags::CLOEXEC).map_err(failed)?;
    let (from_parent, to_child) = pipe_with(PipeFlags::CLOEXEC).map_err(failed)?;
    let owner = (geteuid().as_raw(), getegid().as_raw());
    let mask = SigSet::all()
        .thread_swap_mask(SigmaskHow::SIG_SETMASK)
        .map_err(|errno| Error::system("block signals", errno))?;
    let child = sys::fork().map_err(|errno| Error::system("make a process", errno))?;
    let Some(child) = child else {
        drop((from_child, to_child));
        let _ = mask.thread_set_mask();
        return Ok(Attempt::Entered(become_namespace_root(
            maps,
            owner.0,
            Link { read: from_parent.into(), write: to_parent.into() },
        )));
    };
    drop((from_parent, to_parent));
    let mut link = Link { read: from_child.into(), write: to_child.into() };
    let outcome = admit(child, maps, owner, &mut link);
    drop(link);
    let Err(reason) = outcome else {
        return relay(nix_pid(child)).map(|status| Attempt::Entered(Entered::Outside(status)));
    };
    let _ = sys::wait4(child, 0);
    let _ = mask.thread_set_mask();
    Ok(Attempt::Refused(reason))
}

fn nix_pid(pid: Pid) -> nix::unistd::Pid {
    nix::unistd::Pid::from_raw(pid.as_raw_nonzero().get())
}

/// One end of the talk between the two processes: each message is a step's number and an error number, or 0.
struct Link {
    read: File,
    write: File,
}

/// The steps of the child, for messages.
const STEPS: [&str; 3] =
    ["create a user namespace", "become root of the user namespace", "create a mount namespace in the user namespace"];

impl Link {
    fn say(&mut self, step: u8, result: std::result::Result<(), Errno>) -> bool {
        let errno = result.err().map_or(0, Errno::raw_os_error);
        let mut message = vec![step];
        message.extend(errno.to_ne_bytes());
        self.write.write_all(&message).is_ok() && errno == 0
    }

    /// The answer to one step; the error is ready to be shown.
    fn hear(&mut self) -> std::result::Result<(), String> {
        let mut message = [0_u8; 5];
        self.read.read_exact(&mut message).map_err(|_| "the process in the user namespace ended".to_owned())?;
        let [step, errno @ ..] = message;
        match i32::from_ne_bytes(errno) {
            0 => Ok(()),
            errno => Err(refusal(STEPS.get(usize::from(step)).copied().unwrap_or("set up"), errno)),
        }
    }
}

/// The reason for a refusal with the remedy that this kernel has for it.
fn refusal(step: &str, errno: i32) -> String {
    let said = std::io::Error::from_raw_os_error(errno);
    let enabled = |path: &str, value: &str| std::fs::read_to_string(path).is_ok_and(|text| text.trim() == value);
    let remedy = if enabled("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1") {
        "; AppArmor restricts user namespaces: sysctl kernel.apparmor_restrict_unprivileged_userns=0 or a profile for \
         dhow allows them"
    } else if enabled("/proc/sys/kernel/unprivileged_userns_clone", "0") {
        "; sysctl kernel.unprivileged_userns_clone=1 allows them"
    } else if enabled("/proc/sys/user/max_user_namespaces", "0") {
        "; a limit in sysctl user.max_user_namespaces allows them"
    } else {
        ""
    };
    format!("cannot {step}: {said}{remedy}")
}

/// The parent's part: maps the ids of the child once it is in its namespace, and hears whether all went well.
fn admit(child: Pid, maps: &IdMaps, owner: (u32, u32), link: &mut Link) -> std::result::Result<(), String> {
    link.hear()?;
    maps.write(child.as_raw_nonzero().get(), owner).map_err(|error| format!("cannot map ids: {error}"))?;
    link.say(0, Ok(()));
    link.hear()?;
    link.hear()
}

/// The child's part. Where a step is refused, the process ends: its parent goes on and knows why.
fn become_namespace_root(maps: &IdMaps, outer_uid: u32, mut link: Link) -> Entered {
    let step = |number: u8, result: std::result::Result<(), Errno>, link: &mut Link| {
        if !link.say(number, result) {
            sys::exit_now(1);
        }
    };
    step(0, sys::unshare(UnshareFlags::NEWUSER), &mut link);
    if link.hear().is_err() {
        sys::exit_now(1);
    }
    step(1, become_root(), &mut link);
    step(2, enter_mount_namespace(), &mut link);
    let (rung, reason) = match maps {
        IdMaps::Subordinate { .. } => (Rung::SubordinateIds, "dhow runs as an ordinary user".to_owned()),
        IdMaps::Single { reason } => (Rung::SingleId, reason.clone()),
    };
    Entered::Inside(Privilege { rung, reason, outer_uid })
}

/// The tie to the parent comes last, as a change of the user undoes it. The user's supplementary groups stay, though
/// they have no number here: they may be what opens the files that are to be built; sandboxes give them up.
fn become_root() -> std::result::Result<(), Errno> {
    set_thread_res_gid(Gid::ROOT, Gid::ROOT, Gid::ROOT)?;
    set_thread_res_uid(Uid::ROOT, Uid::ROOT, Uid::ROOT)?;
    set_parent_process_death_signal(Some(Signal::KILL))
}
