//! The control groups of a sandbox, of version 2 or 1.
//!
//! A cgroup is made only when a limit is asked for: without one, processes end with their pid namespace and their use
//! is counted by wait4(2). Its name holds its maker's process id and start time, so that the next dhow can remove
//! what a killed one left. Kernel documentation: `admin-guide/cgroup-v2.rst`, `admin-guide/cgroup-v1/`.

use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{Mode, OFlags};
use rustix::process::Pid;

use crate::cgroup_settings::{Setting, settings_v1, settings_v2};
use crate::error::{Error, Result};
use crate::proc_stat::ProcessId;
use crate::resources::Resources;

/// The directory in each hierarchy that holds the cgroups of all dhow processes.
const COMMON: &str = "dhow";
/// The hierarchies of version 1 in which a parent counts.
const ACCOUNTED: [&str; 5] = ["memory", "cpu", "cpuset", "pids", "blkio"];

static COUNTER: AtomicU64 = AtomicU64::new(0);

/// The cgroups of one sandbox. They are removed when it is dropped, by when it must be empty.
#[derive(Debug)]
pub(crate) struct Cgroup {
    /// One directory in version 2, one for each controller in version 1.
    directories: Vec<PathBuf>,
    /// The directory to be born in, where the kernel can do that.
    birthplace: Option<OwnedFd>,
}

impl Cgroup {
    /// Makes the cgroups that `resources` need under `/sys/fs/cgroup`; `None` when they need none.
    pub(crate) fn create(resources: &Resources) -> Result<Option<Self>> {
        if resources.is_empty() {
            return Ok(None);
        }
        let mount = Path::new("/sys/fs/cgroup");
        let name = format!("{}-{}", ProcessId::current(), COUNTER.fetch_add(1, Ordering::Relaxed));
        if mount.join("cgroup.controllers").exists() {
            Self::create_v2(mount, &name, resources).map(Some)
        } else {
            Self::create_v1(mount, &name, resources).map(Some)
        }
    }

    fn create_v2(mount: &Path, name: &str, resources: &Resources) -> Result<Self> {
        let settings = settings_v2(resources);
        let parent = parent_in(mount, resources).ok_or_else(|| no_parent(mount, resources))?;
        let common = parent.join(COMMON);
        remove_stale(&common);
        let directory = common.join(name);
        let first = settings.first().map_or("memory", |setting| setting.resource);
        let refused =
            |error: io::Error| refusal(first, &format!("cannot use the cgroup `{}`: {error}", directory.display()));
        make(&parent, &directory).map_err(refused)?;
        let enabled = settings.iter().try_for_each(|setting| {
            [mount, parent.as_path(), common.as_path()].into_iter().try_for_each(|above| {
                fs::write(above.join("cgroup.subtree_control"), format!("+{}", setting.controller))
                    .map_err(|error| refusal(setting.resource, &no_controller(setting.controller, &error)))
            })
        });
        let mut cgroup = Self { directories: vec![directory.clone()], birthplace: None };
        enabled?;
        write_settings(&directory, &settings)?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        cgroup.birthplace = Some(rustix::fs::open(&directory, flags, Mode::empty()).map_err(|e| refused(e.into()))?);
        Ok(cgroup)
    }

    fn create_v1(mount: &Path, name: &str, resources: &Resources) -> Result<Self> {
        let mut cgroup = Self { directories: Vec::new(), birthplace: None };
        for setting in settings_v1(resources) {
            let hierarchy = mount.join(setting.controller);
            if !hierarchy.join("cgroup.procs").exists() {
                let missing = io::Error::from_raw_os_error(libc::ENOENT);
                return Err(refusal(setting.resource, &no_controller(setting.controller, &missing)));
            }
            let parent = parent_in(&hierarchy, resources).ok_or_else(|| no_parent(&hierarchy, resources))?;
            let directory = cgroup.enter(&parent, (name, setting.resource))?;
            write_settings(&directory, &[setting])?;
        }
        if resources.cgroup_parent.is_some() {
            // Whatever else the parent limits holds too: a cgroup in each hierarchy that has it.
            for controller in ACCOUNTED {
                if let Some(parent) = parent_in(&mount.join(controller), resources) {
                    cgroup.enter(&parent, (name, "processes"))?;
                }
            }
            if cgroup.directories.is_empty() {
                return Err(no_parent(&mount.join(ACCOUNTED[0]), resources));
            }
        }
        Ok(cgroup)
    }

    /// Makes the cgroup `name` below `parent`, unless it is there.
    fn enter(&mut self, parent: &Path, (name, resource): (&str, &'static str)) -> Result<PathBuf> {
        let common = parent.join(COMMON);
        let directory = common.join(name);
        if !self.directories.contains(&directory) {
            remove_stale(&common);
            make(parent, &directory).map_err(|error| {
                refusal(resource, &format!("cannot use the cgroup `{}`: {error}", directory.display()))
            })?;
            self.directories.push(directory.clone());
        }
        Ok(directory)
    }

    pub(crate) fn birthplace(&self) -> Option<BorrowedFd<'_>> {
        self.birthplace.as_ref().map(AsFd::as_fd)
    }

    /// Moves the first process in, unless it was born there.
    pub(crate) fn place(&self, pid: Pid) -> Result<()> {
        if self.birthplace.is_some() { Ok(()) } else { self.adopt(pid) }
    }

    /// Moves a process in.
    pub(crate) fn adopt(&self, pid: Pid) -> Result<()> {
        for directory in &self.directories {
            let path = directory.join("cgroup.procs");
            fs::write(&path, pid.as_raw_nonzero().to_string()).map_err(|error| Error::io("write", path, error))?;
        }
        Ok(())
    }

    /// The most memory that was in use at once, in bytes, where the kernel tells.
    pub(crate) fn peak_memory(&self) -> Option<u64> {
        let files = ["memory.peak", "memory.max_usage_in_bytes"];
        let mut values = self.directories.iter().flat_map(|directory| files.map(|file| directory.join(file)));
        values.find_map(|path| fs::read_to_string(path).ok()?.trim().parse().ok())
    }

    /// How many processes were killed because the limit of memory was reached.
    pub(crate) fn out_of_memory_kills(&self) -> u64 {
        let files = ["memory.events", "memory.oom_control"];
        let mut values = self.directories.iter().flat_map(|directory| files.map(|file| directory.join(file)));
        let count = |text: String| text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok());
        values.find_map(|path| count(fs::read_to_string(path).ok()?)).unwrap_or(0)
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        for directory in &self.directories {
            remove(directory);
            // The last one out takes the common directory away; while others are in, the kernel refuses.
            let _ = directory.parent().map(fs::remove_dir);
        }
    }
}

/// The cgroup in `hierarchy` that the sandbox's own goes below, if it exists.
fn parent_in(hierarchy: &Path, resources: &Resources) -> Option<PathBuf> {
    let below = resources.cgroup_parent.as_deref().unwrap_or(Path::new(""));
    let below: PathBuf = below.components().filter(|part| matches!(part, Component::Normal(_))).collect();
    let parent = hierarchy.join(below);
    parent.join("cgroup.procs").exists().then_some(parent)
}

fn no_parent(hierarchy: &Path, resources: &Resources) -> Error {
    let parent = resources.cgroup_parent.clone().unwrap_or_default();
    Error::NoCgroupParent { parent, hierarchy: hierarchy.to_owned() }
}

fn refusal(resource: &'static str, reason: &str) -> Error {
    Error::Limit { resource, reason: reason.to_owned() }
}

fn no_controller(controller: &str, error: &io::Error) -> String {
    format!("the cgroup controller `{controller}` is not available here: {error}")
}

fn write_settings(directory: &Path, settings: &[Setting]) -> Result<()> {
    for setting in settings {
        fs::write(directory.join(setting.file), &setting.value).map_err(|error| {
            refusal(setting.resource, &format!("the kernel refuses `{}` for {}: {error}", setting.value, setting.file))
        })?;
    }
    Ok(())
}

/// Makes a cgroup and the common directory above it, which another dhow may be taking away meanwhile.
fn make(hierarchy: &Path, directory: &Path) -> io::Result<()> {
    let common = hierarchy.join(COMMON);
    for _ in 0..10 {
        make_one(hierarchy, &common)?;
        match make_one(&common, directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => return other,
        }
    }
    Err(io::ErrorKind::NotFound.into())
}

/// In version 1 a cpuset takes no process before its processors and memory nodes are named.
fn make_one(parent: &Path, child: &Path) -> io::Result<()> {
    match fs::create_dir(child) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let is_version_1 = !parent.join("cgroup.controllers").exists();
    for file in ["cpuset.cpus", "cpuset.mems"].into_iter().filter(|_| is_version_1) {
        if let Ok(value) = fs::read_to_string(parent.join(file)) {
            fs::write(child.join(file), value)?;
        }
    }
    Ok(())
}

/// Removes the cgroups of dhow processes that are gone; what cannot be removed now is left for the next time.
fn remove_stale(common: &Path) {
    let Ok(entries) = fs::read_dir(common) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let maker =
            name.to_str().and_then(|name| name.rsplit_once('-')).and_then(|(maker, _)| maker.parse::<ProcessId>().ok());
        if maker.is_some_and(|maker| !maker.is_alive()) {
            remove(&entry.path());
        }
    }
}

/// Kills what is left in a cgroup and removes it.
fn remove(directory: &Path) {
    for _ in 0..50 {
        match fs::remove_dir(directory) {
            Err(error) if error.raw_os_error() == Some(libc::EBUSY) => kill_all(directory),
            _ => return,
        }
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
}

fn kill_all(directory: &Path) {
    let processes = fs::read_to_string(directory.join("cgroup.procs")).unwrap_or_default();
    for pid in processes.lines().filter_map(|line| Pid::from_raw(line.parse().ok()?)) {
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use rustix::thread::UnshareFlags;

    use super::Cgroup;
    use crate::resources::Resources;
    use crate::sys::{CloneOptions, clone_process, wait4};

    /// Works without controllers, so on machines where version 1 has them too.
    #[test]
    #[allow(clippy::print_stderr)]
    fn a_process_is_born_in_its_cgroup_of_version_2() {
        let mounts = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].map(Path::new);
        let mount = mounts.into_iter().find(|mount| mount.join("cgroup.controllers").exists());
        let name = format!("{}-0-test", std::process::id());
        let made = mount.map(|mount| Cgroup::create_v2(mount, &name, &Resources::default()));
        let Some(Ok(cgroup)) = made else {
            eprintln!("SKIP: no cgroup of version 2 can be made: {made:?}");
            return;
        };
        let options = CloneOptions { namespaces: UnshareFlags::empty(), cgroup: cgroup.birthplace() };
        let (pid, _pidfd) = clone_process(options, || {
            std::thread::sleep(std::time::Duration::from_millis(200));
            0
        })
        .unwrap();
        let own = fs::read_to_string(format!("/proc/{}/cgroup", pid.as_raw_nonzero())).unwrap();
        assert!(own.lines().any(|line| line.starts_with("0::") && line.ends_with("-0-test")), "{own}");
        wait4(pid, 0).unwrap();
        let directory = cgroup.directories[0].clone();
        drop(cgroup);
        assert!(!directory.exists());
    }
}
