//! `RUN`: a program in a sandbox over a snapshot.

use std::ffi::OsString;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use dhow_layer_store::{ActiveSnapshot, SnapshotRootfs};
use dhow_runtime::{
    Bundle, Mount as SandboxMount, MountSource, Network as SandboxNetwork, Process, Rootfs, Sandbox, Stdio, Usage, User,
};

use crate::cancel::CancelToken;
use crate::dockerfile::instruction::{Network, Security};
use crate::error::{BuildError, Result};
use crate::event::OutputStream;
use crate::exec::mounts::MountSet;
use crate::exec::output;
use crate::plan::RunOp;
use crate::request::{InsecureRuns, RunDefaults};

/// The reference's name of the machine inside.
const HOST_NAME: &str = "buildkitsandbox";
/// Mount points that the reference makes where an image lacks them, and leaves in the layer.
const LASTING_MOUNT_POINTS: [&str; 3] = ["dev", "proc", "sys"];
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// One execution of a command.
pub(crate) struct Run<'a> {
    pub(crate) op: &'a RunOp,
    pub(crate) defaults: &'a RunDefaults,
    pub(crate) cancel: &'a CancelToken,
    pub(crate) output: &'a dyn Fn(OutputStream, Vec<u8>),
}

/// The network that `op` runs in: its own choice, else the build's.
pub(crate) fn effective_network(op: &RunOp, defaults: &RunDefaults) -> Network {
    if op.network == Network::Default { defaults.network } else { op.network }
}

/// The lines that `--add-host` adds to `/etc/hosts`.
pub(crate) fn host_lines(defaults: &RunDefaults) -> Vec<String> {
    defaults.hosts.iter().map(|(name, address)| format!("{address}\t{name}")).collect()
}

impl Run<'_> {
    /// Runs the command in `snapshot` until it has ended.
    ///
    /// # Errors
    /// [`BuildError::Exit`] with its code if it is not 0, [`BuildError::Sandbox`] if it cannot be started.
    pub(crate) fn execute(&self, snapshot: &ActiveSnapshot, mounts: &mut MountSet) -> Result<Usage> {
        let bundle = self.prepare(snapshot, mounts)?;
        let mut running = Sandbox::create(bundle, Stdio::output())?.start()?;
        let followed = output::follow(&mut running, self.cancel, self.output);
        let exit = running.wait()?;
        followed?;
        if exit.status.success() {
            return Ok(exit.usage);
        }
        let (command, code) = (self.op.argv.join(" "), exit.status.code());
        Err(match exit.usage.out_of_memory_kills {
            0 => BuildError::Exit { command, code },
            _ => BuildError::OutOfMemory { command, code, limit: self.defaults.resources.memory },
        })
    }

    /// The sandbox for the command, with what `mounts` has.
    pub(crate) fn prepare(&self, snapshot: &ActiveSnapshot, mounts: &mut MountSet) -> Result<Bundle> {
        let mut user = User::resolve(snapshot.root().as_fd(), &self.op.user)?;
        // The reference lists the group itself among the further ones.
        if !user.additional_gids.contains(&user.gid) {
            user.additional_gids.push(user.gid);
        }
        for mount_point in LASTING_MOUNT_POINTS {
            snapshot.root().create_dir_all(Path::new(mount_point), 0o755)?;
        }
        let process = self.process(user, mounts);
        let rootfs = match snapshot.rootfs()? {
            SnapshotRootfs::Mount(mount) => Rootfs::Mount(mount),
            SnapshotRootfs::Dir(path) => Rootfs::Dir(path),
        };
        self.bundle(rootfs, process, std::mem::take(&mut mounts.mounts))
    }

    fn process(&self, user: User, mounts: &MountSet) -> Process {
        let mut process = Process::new(self.op.argv.iter().map(String::as_str));
        let has = |name: &str| self.op.env.iter().any(|(known, _)| known == name);
        let mut env: Vec<(String, String)> = Vec::new();
        if !has("PATH") {
            env.push(("PATH".to_owned(), DEFAULT_PATH.to_owned()));
        }
        env.extend(self.op.proxy_env.iter().filter(|(name, _)| !has(name)).cloned());
        env.extend(self.op.env.iter().cloned());
        env.extend(mounts.env.iter().cloned());
        if !has("HOME") {
            env.push(("HOME".to_owned(), user.home.to_string_lossy().into_owned()));
        }
        process.env = env.into_iter().map(|(name, value)| OsString::from(format!("{name}={value}"))).collect();
        process.cwd = PathBuf::from(&self.op.cwd);
        process.user = user;
        process.rlimits.clone_from(&self.defaults.rlimits);
        process
    }

    fn bundle(&self, rootfs: Rootfs, process: Process, mounts: Vec<SandboxMount>) -> Result<Bundle> {
        let mut bundle = Bundle::docker_default(rootfs, process);
        bundle.network = match effective_network(self.op, self.defaults) {
            Network::None => SandboxNetwork::None,
            Network::Default | Network::Host => SandboxNetwork::Host,
        };
        bundle.hostname = Some(self.hostname().to_owned());
        bundle.resources = self.defaults.resources.clone();
        if let Some(size) = self.defaults.shm_size {
            for mount in bundle.mounts.iter_mut().filter(|mount| mount.target.as_os_str() == "/dev/shm") {
                mount.source = MountSource::Tmpfs { size: Some(size), mode: 0o1777 };
            }
        }
        let files = [(self.defaults.resolv_conf.clone(), "/etc/resolv.conf"), (self.hosts(), "/etc/hosts")];
        bundle.mounts.extend(files.map(|(content, target)| SandboxMount::file(content, target).read_only()));
        bundle.mounts.extend(mounts);
        bundle.mounts.extend(self.script());
        match (self.op.security, self.defaults.insecure) {
            (Security::Sandbox, _) => Ok(bundle),
            (Security::Insecure, InsecureRuns::Allow) => Ok(bundle.privileged()),
            (Security::Insecure, InsecureRuns::Refuse) => Err(BuildError::NotAllowed { right: "security.insecure" }),
        }
    }

    fn hostname(&self) -> &str {
        self.op.hostname.as_deref().unwrap_or(HOST_NAME)
    }

    fn hosts(&self) -> Vec<u8> {
        let mut text = format!("127.0.0.1\tlocalhost {}\n::1\tlocalhost ip6-localhost ip6-loopback\n", self.hostname());
        for line in host_lines(self.defaults) {
            text.push_str(&line);
            text.push('\n');
        }
        text.into_bytes()
    }

    fn script(&self) -> Option<SandboxMount> {
        let script = self.op.script.as_ref()?;
        let source = MountSource::File { content: script.content.clone().into_bytes(), mode: 0o755, owner: (0, 0) };
        Some(SandboxMount::new(source, PathBuf::from(&script.directory).join(&script.name)).read_only())
    }
}
