//! The child's side: takes the steps of a plan one after the other and executes the program.
//!
//! Runs between clone and exec in a process that may have been copied from one with many threads, whose locks (the
//! allocator's among them) may be held for ever. So nothing here allocates, locks or panics: all strings, tables
//! and filters come ready in the plan, and only system calls are made. That is why there is no intermediate
//! re-execution of dhow: one clone and one exec cost least, and error reports need no serialization.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd};

use rustix::fs::{self, FileType, Gid, Mode, OFlags, Uid};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags,
    UnmountFlags, fsconfig_create, fsmount, fsopen, mount, mount_bind_recursive, mount_change, mount_remount,
    move_mount, open_tree, unmount,
};
use rustix::process::{self, Pid, PidfdFlags, Signal};
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use rustix::thread::{self, CapabilitySet, CapabilitySets, ThreadNameSpaceType, UnshareFlags};

use crate::handshake::{ChildEnd, Order};
use crate::mount::Access;
use crate::namespaces::Namespaces;
use crate::plan::{Plan, Program};
use crate::step::{FileSystem, NodeKind, StagedFile, Step};
use crate::sys;

/// Takes all steps and executes the program; returns the exit code of a failure that has been reported.
pub(crate) fn run(plan: &Plan, parent: &ChildEnd) -> i32 {
    sys::reset_signal_actions();
    // The parent has blocked all signals, so that none of its handlers could run here.
    let _ = nix::sys::signal::SigSet::empty().thread_set_mask();
    run_from(plan, 0, parent)
}

fn run_from(plan: &Plan, first: usize, parent: &ChildEnd) -> i32 {
    for (index, step) in plan.steps.iter().enumerate().skip(first) {
        let taken = match step {
            Step::GoOnInChild => match go_on_in_child(plan, index + 1, parent) {
                Ok(()) => return 0,
                Err(errno) => Err(errno),
            },
            step => take(step, parent),
        };
        if let Err(errno) = taken {
            parent.step_failed(index, errno);
            return 125;
        }
    }
    // The change of the user has undone the tie to the parent; a parent that ended since then is seen here.
    if parent.parent_is_gone() {
        return 125;
    }
    let errno = execute(&plan.program);
    parent.exec_failed(errno);
    126
}

/// The new process is a sibling of this one, so the parent can wait for it.
fn go_on_in_child(plan: &Plan, next: usize, parent: &ChildEnd) -> Result<(), Errno> {
    let (pid, pidfd) = sys::clone_sibling(|| run_from(plan, next, parent))?;
    parent.child(pid, pidfd.as_fd())
}

fn take(step: &Step, parent: &ChildEnd) -> Result<(), Errno> {
    match step {
        Step::CloseOthers(kept) => close_others(kept),
        Step::DieWithParent => process::set_parent_process_death_signal(Some(Signal::KILL)),
        Step::AwaitPlacement => parent.await_order(Order::Proceed),
        Step::JoinNamespaces(Namespaces { process, apart }) => {
            thread::move_into_thread_name_spaces(process.as_fd(), *apart)
        }
        Step::SetUmask(mask) => {
            process::umask(Mode::from_raw_mode(*mask));
            Ok(())
        }
        Step::NewSession => process::setsid().map(drop),
        Step::NewCgroupNamespace => sys::unshare(UnshareFlags::NEWCGROUP),
        Step::MakeMountsPrivate => mount_change(c"/", MountPropagationFlags::REC | MountPropagationFlags::PRIVATE),
        Step::EnterNamespaceRoot => enter_namespace_root(),
        Step::StageFiles(files) => stage_files(files),
        Step::PivotRoot { root, access } => pivot(root.as_fd(), *access),
        Step::LeaveOldRoot => leave_old_root(),
        Step::AwaitStart => parent.ready().and_then(|()| parent.await_order(Order::Start)),
        Step::OpenTerminal { rows, columns } => open_terminal(*rows, *columns, parent),
        Step::BindConsole => bind_console(),
        Step::SetHostname(name) => rustix::system::sethostname(name),
        Step::BringLoopbackUp => bring_loopback_up(),
        Step::SetStreams(streams) => set_streams(streams),
        Step::OwnStream { stream, uid } => own_stream(*stream, *uid),
        _ => take_in_tree(step),
    }
}

/// The steps on the tree that has become the root.
fn take_in_tree(step: &Step) -> Result<(), Errno> {
    match step {
        Step::Mount(file_system) => mount_file_system(file_system),
        Step::Attach { tree, target } => attach(tree.as_fd(), target),
        Step::Ensure { path, kind } => ensure(path, *kind),
        Step::MakeWorkingDirectory(path) => ensure(path, NodeKind::Directory),
        Step::MakeDevice { path, number } => make_device(path, *number),
        Step::MakeSymlink { target, path } => fs::symlinkat(*target, fs::CWD, path.as_c_str()),
        Step::Mask(path) => mask(path),
        Step::MakeReadOnly(path) => make_read_only(path),
        Step::ChangeDirectory(path) => process::chdir(path.as_c_str()),
        Step::SetOomScore(score) => write_file(c"/proc/self/oom_score_adj", score),
        _ => take_on_process(step),
    }
}

/// The steps on the rights of the process.
fn take_on_process(step: &Step) -> Result<(), Errno> {
    match step {
        Step::SetRlimit { resource, limit } => process::setrlimit(*resource, *limit),
        Step::LimitBoundingSet(keep) => limit_bounding_set(*keep),
        Step::KeepCapabilities => thread::set_keep_capabilities(true),
        Step::SetGroups(groups) => thread::set_thread_groups(groups),
        Step::BecomeGroup(gid) => thread::set_thread_res_gid(*gid, *gid, *gid),
        Step::BecomeUser(uid) => become_user(*uid),
        Step::RaiseCapabilities(set) => thread::set_capabilities(
            None,
            CapabilitySets { effective: *set, permitted: *set, inheritable: CapabilitySet::empty() },
        ),
        Step::ForbidNewPrivileges => thread::set_no_new_privs(true),
        Step::SetSeccompFilter(program) => sys::set_seccomp_filter(program),
        Step::SetCapabilities(set) => set_capabilities(*set),
        _ => Err(Errno::NOSYS),
    }
}

fn execute(program: &Program) -> Errno {
    let mut answer = Errno::NOENT;
    for candidate in &program.candidates {
        match sys::execve(candidate, &program.arguments, &program.environment) {
            Errno::NOENT | Errno::NOTDIR => {}
            Errno::ACCESS => answer = Errno::ACCESS,
            other => return other,
        }
    }
    answer
}

/// Other threads of the parent make pipes and sockets too; a copy kept here would hold them open.
fn close_others(kept: &[RawFd]) -> Result<(), Errno> {
    let mut first = 3;
    for descriptor in kept.iter().map(|raw| *raw as u32).chain([u32::MAX]) {
        if descriptor > first {
            sys::close_range(first, descriptor - u32::from(descriptor != u32::MAX), 0)?;
        }
        first = first.max(descriptor.saturating_add(1));
    }
    sys::close_range(3, u32::MAX, libc::CLOSE_RANGE_CLOEXEC)
}

fn enter_namespace_root() -> Result<(), Errno> {
    let this = process::pidfd_open(Pid::INIT, PidfdFlags::empty())?;
    thread::move_into_thread_name_spaces(this.as_fd(), ThreadNameSpaceType::MOUNT)
}

/// Files can be bind-mounted only out of a mount of this namespace, so a tmpfs is put on top of the old root for a
/// moment. It must go before the pivot: left there, it would come to lie on top of the old root, and be what
/// [`leave_old_root`] takes away in its place.
fn stage_files(files: &[StagedFile]) -> Result<(), Errno> {
    let context = fsopen(c"tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_create(context.as_fd())?;
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV;
    let tmpfs = fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes)?;
    move_mount(tmpfs.as_fd(), c"", fs::CWD, c"/", MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)?;
    for file in files {
        stage_file(tmpfs.as_fd(), file)?;
    }
    process::fchdir(tmpfs.as_fd())?;
    unmount(c".", UnmountFlags::DETACH)
}

fn stage_file(directory: BorrowedFd<'_>, file: &StagedFile) -> Result<(), Errno> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let open = fs::openat(directory, file.name.as_c_str(), flags, Mode::RUSR)?;
    write_all(&open, &file.content)?;
    fs::fchown(&open, Some(file.owner.0), Some(file.owner.1))?;
    fs::fchmod(&open, Mode::from_raw_mode(file.mode))?;
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let tree = open_tree(directory, file.name.as_c_str(), flags)?;
    if file.access == Access::ReadOnly {
        sys::make_tree_read_only(tree.as_fd())?;
    }
    sys::replace_descriptor(tree, file.slot)
}

/// The old root stays attached on top of the new one, out of reach of absolute paths, until [`leave_old_root`]: a user
/// namespace may mount a fresh `/proc` or `/sys` only while it sees an old one.
fn pivot(root: BorrowedFd<'_>, access: Access) -> Result<(), Errno> {
    attach(root, c"/")?;
    let read_only = if access == Access::ReadOnly { Some(attach_read_only_copy(root)?) } else { None };
    process::fchdir(read_only.as_ref().map_or(root, |copy| copy.as_fd()))?;
    process::pivot_root(c".", c".")
}

/// The root itself stays writable, as the parent removes mount points through it after the run.
fn attach_read_only_copy(root: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_EMPTY_PATH;
    let copy = open_tree(root, c"", flags | OpenTreeFlags::AT_RECURSIVE)?;
    sys::make_tree_read_only(copy.as_fd())?;
    attach(copy.as_fd(), c"/")?;
    Ok(copy)
}

fn leave_old_root() -> Result<(), Errno> {
    unmount(c".", UnmountFlags::DETACH)?;
    process::chdir(c"/")
}

fn mount_file_system(fs: &FileSystem) -> Result<(), Errno> {
    match (mount(fs.name, fs.target.as_c_str(), fs.name, fs.flags, fs.data.as_c_str()), &fs.fallback) {
        (Err(Errno::PERM), Some(tree)) => attach(tree.as_fd(), &fs.target),
        (Err(Errno::BUSY), _) => mount_over_its_like(fs),
        (result, _) => result,
    }
}

/// Mounts the host's cgroups anew, with the sandbox's own as the root, over those that came with the host's `/sys`:
/// `mount(2)` refuses a file system where it is mounted already, attaching it does not.
fn mount_over_its_like(fs: &FileSystem) -> Result<(), Errno> {
    let attributes = [
        (MountFlags::RDONLY, MountAttrFlags::MOUNT_ATTR_RDONLY),
        (MountFlags::NOSUID, MountAttrFlags::MOUNT_ATTR_NOSUID),
        (MountFlags::NODEV, MountAttrFlags::MOUNT_ATTR_NODEV),
        (MountFlags::NOEXEC, MountAttrFlags::MOUNT_ATTR_NOEXEC),
    ];
    let wanted = attributes.into_iter().filter(|(flag, _)| fs.flags.contains(*flag));
    let wanted = wanted.fold(MountAttrFlags::empty(), |all, (_, attribute)| all | attribute);
    let context = fsopen(fs.name, FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_create(context.as_fd())?;
    let made = fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, wanted)?;
    attach(made.as_fd(), &fs.target)
}

fn attach(tree: BorrowedFd<'_>, target: &CStr) -> Result<(), Errno> {
    move_mount(tree, c"", fs::CWD, target, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
}

/// Makes each missing directory of `path` in turn, with the path up to there in a buffer on the stack.
fn ensure(path: &CStr, kind: NodeKind) -> Result<(), Errno> {
    if fs::stat(path).is_ok() {
        return Ok(());
    }
    let bytes = path.to_bytes_with_nul();
    let mut buffer = [0_u8; libc::PATH_MAX as usize];
    let buffer = buffer.get_mut(..bytes.len()).ok_or(Errno::NAMETOOLONG)?;
    buffer.copy_from_slice(bytes);
    for end in 1..bytes.len() {
        let is_last = bytes[end] == 0;
        if bytes[end] != b'/' && !is_last {
            continue;
        }
        buffer[end] = 0;
        let part = CStr::from_bytes_with_nul(&buffer[..=end]).map_err(|_| Errno::INVAL)?;
        let made = match kind {
            NodeKind::File if is_last => make_file(part),
            _ => fs::mkdirat(fs::CWD, part, Mode::from_raw_mode(0o755)),
        };
        match made {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(errno),
        }
        buffer[end] = bytes[end];
    }
    Ok(())
}

fn make_file(path: &CStr) -> Result<(), Errno> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::CLOEXEC;
    fs::openat(fs::CWD, path, flags, Mode::from_raw_mode(0o644)).map(drop)
}

fn make_device(path: &CStr, number: u64) -> Result<(), Errno> {
    fs::mknodat(fs::CWD, path, FileType::CharacterDevice, Mode::from_raw_mode(0o666), number)
}

fn mask(path: &CStr) -> Result<(), Errno> {
    match rustix::mount::mount_bind(c"/dev/null", path) {
        Err(Errno::NOENT) => Ok(()),
        Err(Errno::NOTDIR) => mount(c"tmpfs", path, c"tmpfs", MountFlags::RDONLY, c"nr_blocks=1,nr_inodes=2"),
        other => other,
    }
}

fn make_read_only(path: &CStr) -> Result<(), Errno> {
    match mount_bind_recursive(path, path) {
        Ok(()) => remount_read_only(path),
        Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(errno),
    }
}

/// A remount must name the flags that are there already, as a user namespace may not take them away.
fn remount_read_only(path: &CStr) -> Result<(), Errno> {
    let present = fs::statvfs(path)?.f_flag;
    let kept = MountFlags::from_bits_truncate(present.bits() as u32)
        & (MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC | MountFlags::NOATIME | MountFlags::NODIRATIME);
    mount_remount(path, MountFlags::BIND | MountFlags::RDONLY | kept, c"")
}

fn bring_loopback_up() -> Result<(), Errno> {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
    let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
    sys::bring_loopback_up(socket.as_fd())
}

fn open_terminal(rows: u16, columns: u16, parent: &ChildEnd) -> Result<(), Errno> {
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let master = fs::openat(fs::CWD, c"/dev/pts/ptmx", flags, Mode::empty())?;
    unlockpt(&master)?;
    let slave = ioctl_tiocgptpeer(&master, OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
    tcsetwinsize(&slave, Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 })?;
    process::ioctl_tiocsctty(&slave)?;
    rustix::stdio::dup2_stdin(&slave)?;
    rustix::stdio::dup2_stdout(&slave)?;
    rustix::stdio::dup2_stderr(&slave)?;
    parent.terminal(master.as_fd())
}

fn bind_console() -> Result<(), Errno> {
    ensure(c"/dev/console", NodeKind::File)?;
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_EMPTY_PATH;
    let console = open_tree(rustix::stdio::stdin(), c"", flags)?;
    attach(console.as_fd(), c"/dev/console")
}

fn set_streams(streams: &[Option<OwnedFd>; 3]) -> Result<(), Errno> {
    let [stdin, stdout, stderr] = streams;
    if let Some(stdin) = stdin {
        rustix::stdio::dup2_stdin(stdin)?;
    }
    if let Some(stdout) = stdout {
        rustix::stdio::dup2_stdout(stdout)?;
    }
    if let Some(stderr) = stderr {
        rustix::stdio::dup2_stderr(stderr)?;
    }
    Ok(())
}

fn own_stream(stream: usize, uid: Uid) -> Result<(), Errno> {
    let descriptor = match stream {
        0 => rustix::stdio::stdin(),
        1 => rustix::stdio::stdout(),
        _ => rustix::stdio::stderr(),
    };
    fs::fchown(descriptor, Some(uid), None::<Gid>)
}

/// A capability that the kernel does not know ends the list.
fn limit_bounding_set(keep: CapabilitySet) -> Result<(), Errno> {
    for number in 0..64 {
        let Some(capability) = CapabilitySet::from_bits(1 << number) else {
            continue;
        };
        match thread::capability_is_in_bounding_set(capability) {
            Ok(true) if !keep.contains(capability) => thread::remove_capability_from_bounding_set(capability)?,
            Ok(_) => {}
            Err(Errno::INVAL) => return Ok(()),
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

/// A change of the user undoes the death signal, so it is set anew.
fn become_user(uid: Uid) -> Result<(), Errno> {
    thread::set_thread_res_uid(uid, uid, uid)?;
    process::set_parent_process_death_signal(Some(Signal::KILL))
}

fn set_capabilities(set: CapabilitySet) -> Result<(), Errno> {
    thread::set_capabilities(
        None,
        CapabilitySets { effective: set, permitted: set, inheritable: CapabilitySet::empty() },
    )?;
    process::set_parent_process_death_signal(Some(Signal::KILL))
}

fn write_file(path: &CStr, content: &[u8]) -> Result<(), Errno> {
    let file = fs::openat(fs::CWD, path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
    write_all(&file, content)
}

fn write_all(file: &OwnedFd, mut content: &[u8]) -> Result<(), Errno> {
    while !content.is_empty() {
        match rustix::io::write(file, content) {
            Ok(written) => content = content.get(written..).unwrap_or_default(),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}
