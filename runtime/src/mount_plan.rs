//! From the mounts of a bundle to steps.
//!
//! Sources are opened in the parent, in the host's tree; targets are walked in the root by `mountpoint.rs`. Where the
//! rights of this process do not suffice for a fresh file system, the host's own is bound instead.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{self, CWD, FileType, Mode, OFlags};
use rustix::mount::{MountFlags, OpenTreeFlags, open_tree};
use rustix::process::{Gid, Uid};

use crate::error::{Error, Result};
use crate::mount::{Access, Mount, MountSource};
use crate::mountpoint::{self, Stubs};
use crate::network::Network;
use crate::plan::{c_string, invalid};
use crate::rights::Rights;
use crate::step::{FileSystem, NodeKind, StagedFile, Step};
use crate::sys;

/// The character devices of a container: name, major and minor number.
const DEVICES: [(&str, u32, u32); 6] =
    [("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0)];

/// The links of a container's `/dev`: what they point to, and where.
const DEVICE_LINKS: [(&CStr, &CStr); 6] = [
    (c"/proc/self/fd", c"/dev/fd"),
    (c"/proc/self/fd/0", c"/dev/stdin"),
    (c"/proc/self/fd/1", c"/dev/stdout"),
    (c"/proc/self/fd/2", c"/dev/stderr"),
    (c"pts/ptmx", c"/dev/ptmx"),
    (c"/proc/kcore", CORE),
];

/// Made only where the kernel shows its memory.
const CORE: &CStr = c"/dev/core";

const HARDENED: MountFlags = MountFlags::NOSUID.union(MountFlags::NODEV).union(MountFlags::NOEXEC);

/// Steps in the making.
pub(crate) struct MountPlan<'a> {
    rights: &'a Rights,
    network: Network,
    staged: Vec<StagedFile>,
    steps: Vec<Step>,
    stubs: Stubs,
    covered: Vec<PathBuf>,
}

impl<'a> MountPlan<'a> {
    pub(crate) fn new(rights: &'a Rights, network: Network) -> Self {
        Self { rights, network, staged: Vec::new(), steps: Vec::new(), stubs: Stubs::default(), covered: Vec::new() }
    }

    /// The step that comes before the root is entered, the steps after it, and what is to be removed after the run.
    pub(crate) fn finish(self) -> (Option<Step>, Vec<Step>, Stubs) {
        let staging = (!self.staged.is_empty()).then_some(Step::StageFiles(self.staged));
        (staging, self.steps, self.stubs)
    }

    /// Adds one mount, whose target is made in `root` unless it lies in a mount that was added before.
    pub(crate) fn add(&mut self, mount: Mount, root: &OwnedFd) -> Result<()> {
        // What a program is told about itself and the kernel is not to be replaced.
        if mount.target.starts_with("/proc") && mount.target != Path::new("/proc") {
            return Err(invalid("mount target", mount.target.as_os_str()));
        }
        let name = PathBuf::from(name_of(&mount.source));
        let failed = |source: io::Error| Error::Mount { source_path: name, target: mount.target.clone(), source };
        let is_kernels = is_kernels(&mount.source);
        let before = self.covered.len();
        self.add_source(mount.source, mount.access, Target { path: &mount.target, root }).map_err(|failure| {
            match failure {
                Failure::Io(source) => failed.clone()(source),
                Failure::Other(error) => error,
            }
        })?;
        // A link in an image must not lead the kernel's own file systems astray.
        match self.covered.get(before) {
            Some(path) if is_kernels && *path != mount.target => Err(failed(rustix::io::Errno::LOOP.into())),
            _ => Ok(()),
        }
    }

    /// Makes the working directory as far as it lies in the root itself, where it stays.
    pub(crate) fn make_directory(&self, path: &Path, root: &OwnedFd) -> Result<()> {
        if !path.is_absolute() {
            return Err(invalid("working directory", path.as_os_str()));
        }
        let mut made = Stubs::default();
        let wanted = (path, NodeKind::Directory);
        mountpoint::prepare(root.as_fd(), wanted, &self.covered, &mut made)
            .map_err(|error| Error::io("make the working directory", path, error))?;
        made.keep();
        Ok(())
    }

    fn add_source(
        &mut self,
        source: MountSource,
        access: Access,
        target: Target<'_>,
    ) -> std::result::Result<(), Failure> {
        match source {
            MountSource::Bind(path) => self.attach(clone_tree(&path)?, access, target),
            MountSource::Tree(tree) => self.attach(tree, access, target),
            MountSource::File { content, mode, owner } => {
                let slot = fs::open("/dev/null", OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
                let name = CString::new(self.staged.len().to_string()).unwrap_or_default();
                let owner = (Uid::from_raw(owner.0), Gid::from_raw(owner.1));
                self.staged.push(StagedFile { name, content, mode, owner, slot: slot.as_raw_fd(), access });
                self.attach_kind(slot, NodeKind::File, target)
            }
            MountSource::Tmpfs { size, mode } => {
                let size = size.map_or(String::new(), |size| format!(",size={size}"));
                let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
                self.file_system(c"tmpfs", (flags, access), format!("mode={mode:o}{size}"), target)
            }
            MountSource::Proc => self.kernel(c"proc", access, target),
            MountSource::Mqueue => self.kernel(c"mqueue", access, target),
            MountSource::Sysfs if !self.rights.initial_user_namespace && self.network == Network::Host => {
                self.attach(clone_tree(Path::new("/sys"))?, access, target)
            }
            MountSource::Sysfs => self.kernel(c"sysfs", access, target),
            MountSource::Cgroup if cgroup_version_2() => self.kernel(c"cgroup2", access, target),
            MountSource::Cgroup => Ok(()),
            MountSource::Devpts => self.devpts(access, target),
            MountSource::Dev => self.devices(access, target),
        }
    }

    fn kernel(&mut self, name: &'static CStr, access: Access, target: Target<'_>) -> std::result::Result<(), Failure> {
        self.file_system(name, (HARDENED, access), String::new(), target)
    }

    fn devpts(&mut self, access: Access, target: Target<'_>) -> std::result::Result<(), Failure> {
        let group = if self.rights.has_tty_group { ",gid=5" } else { "" };
        let flags = MountFlags::NOSUID | MountFlags::NOEXEC;
        self.file_system(c"devpts", (flags, access), format!("newinstance,ptmxmode=0666,mode=0620{group}"), target)
    }

    fn devices(&mut self, access: Access, target: Target<'_>) -> std::result::Result<(), Failure> {
        let flags = MountFlags::NOSUID | MountFlags::STRICTATIME;
        self.file_system(c"tmpfs", (flags, access), "mode=755,size=65536k".to_owned(), target)?;
        for (name, major, minor) in DEVICES {
            let path = c_string("device", Path::new("/dev").join(name).as_os_str())?;
            if self.rights.may_make_devices() {
                self.steps.push(Step::MakeDevice { path, number: fs::makedev(major, minor) });
            } else {
                let tree = clone_tree(&Path::new("/dev").join(name))?;
                self.steps.push(Step::Ensure { path: path.clone(), kind: NodeKind::File });
                self.steps.push(Step::Attach { tree, target: path });
            }
        }
        let kernel_has_core = Path::new("/proc/kcore").exists();
        let links = DEVICE_LINKS.into_iter().filter(|(_, path)| kernel_has_core || *path != CORE);
        self.steps.extend(links.map(|(target, path)| Step::MakeSymlink { target, path: path.to_owned() }));
        Ok(())
    }

    fn file_system(
        &mut self,
        name: &'static CStr,
        (flags, access): (MountFlags, Access),
        data: String,
        target: Target<'_>,
    ) -> std::result::Result<(), Failure> {
        let flags = if access == Access::ReadOnly { flags | MountFlags::RDONLY } else { flags };
        let target = self.ready(NodeKind::Directory, target)?;
        // Inside another container parts of /proc are masked, and then a user namespace may mount no fresh one.
        let masked_proc = name == c"proc" && !self.rights.initial_user_namespace;
        let fallback = if masked_proc { Some(clone_tree(Path::new("/proc"))?) } else { None };
        let data = CString::new(data).unwrap_or_default();
        self.steps.push(Step::Mount(FileSystem { name, target, flags, data, fallback }));
        Ok(())
    }

    fn attach(&mut self, tree: OwnedFd, access: Access, target: Target<'_>) -> std::result::Result<(), Failure> {
        if access == Access::ReadOnly {
            sys::make_tree_read_only(tree.as_fd())?;
        }
        let kind = match FileType::from_raw_mode(fs::fstat(&tree)?.st_mode) {
            FileType::Directory => NodeKind::Directory,
            _ => NodeKind::File,
        };
        self.attach_kind(tree, kind, target)
    }

    fn attach_kind(&mut self, tree: OwnedFd, kind: NodeKind, target: Target<'_>) -> std::result::Result<(), Failure> {
        let target = self.ready(kind, target)?;
        self.steps.push(Step::Attach { tree, target });
        Ok(())
    }

    /// Finds or makes the mount point and notes it as covered from now on.
    fn ready(&mut self, kind: NodeKind, target: Target<'_>) -> std::result::Result<CString, Failure> {
        if !target.path.is_absolute() {
            return Err(Failure::Other(invalid("mount target", target.path.as_os_str())));
        }
        let wanted = (target.path, kind);
        let point = mountpoint::prepare(target.root.as_fd(), wanted, &self.covered, &mut self.stubs)?;
        let path = c_string("mount target", point.as_os_str())?;
        self.steps.push(Step::Ensure { path: path.clone(), kind });
        self.covered.push(point);
        Ok(path)
    }
}

/// A path in a root.
#[derive(Clone, Copy)]
struct Target<'a> {
    path: &'a Path,
    root: &'a OwnedFd,
}

/// A failure that the mount's name and target are still to be put to, or one that says all.
enum Failure {
    Io(io::Error),
    Other(Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<rustix::io::Errno> for Failure {
    fn from(errno: rustix::io::Errno) -> Self {
        Self::Io(errno.into())
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

/// A detached copy of what is mounted at a path of the host, with all below it.
pub(crate) fn clone_tree(path: &Path) -> io::Result<OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_RECURSIVE;
    Ok(open_tree(CWD, path, flags)?)
}

fn cgroup_version_2() -> bool {
    const CGROUP2_SUPER_MAGIC: u64 = 0x6367_7270;
    fs::statfs("/sys/fs/cgroup").is_ok_and(|stat| stat.f_type as u64 == CGROUP2_SUPER_MAGIC)
}

fn is_kernels(source: &MountSource) -> bool {
    use MountSource::{Bind, File, Tmpfs, Tree};
    !matches!(source, Bind(_) | Tree(_) | File { .. } | Tmpfs { .. })
}

fn name_of(source: &MountSource) -> &Path {
    Path::new(match source {
        MountSource::Bind(path) => return path,
        MountSource::Tree(_) => "a prepared mount",
        MountSource::Tmpfs { .. } | MountSource::Dev => "tmpfs",
        MountSource::File { .. } => "a file in memory",
        MountSource::Proc => "proc",
        MountSource::Sysfs => "sysfs",
        MountSource::Devpts => "devpts",
        MountSource::Mqueue => "mqueue",
        MountSource::Cgroup => "cgroup2",
    })
}
