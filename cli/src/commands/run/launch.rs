//! Makes a container ready to run: its tree, its mounts and its process become a bundle.

use std::os::fd::AsFd;
use std::path::Path;

use anyhow::Context;
use dhow_layer_store::{ActiveSnapshot, ContainerTree, Root, SnapshotRootfs};
use dhow_runtime::{Access, Bundle, Container, Mount, MountSource, Network, Process, Rootfs, User};

use super::create::hostname;
use super::mounts::{Copy, Source, Write};
use super::network::{self, Mode};
use super::process::set_default;
use super::rights::{self, Rights};
use super::spec::Spec;
use super::volumes::{Volume, Volumes};
use crate::app::App;
use crate::containers::volume_names;

/// Mode of `/dev/shm`.
const SHM_MODE: u32 = 0o1777;

/// A container that is ready, with its tree, which must outlive the run.
pub(crate) struct Launch {
    /// What to run.
    pub(crate) bundle: Bundle,
    /// Kept for as long as the container runs.
    pub(crate) tree: Tree,
}

/// A container's writable tree.
#[derive(Debug)]
pub(crate) enum Tree {
    /// It goes with the process.
    Passing(ActiveSnapshot),
    /// It stays with the container.
    Kept(ContainerTree),
}

impl Tree {
    fn root(&self) -> &Root {
        match self {
            Self::Passing(tree) => tree.root(),
            Self::Kept(tree) => tree.root(),
        }
    }

    fn rootfs(&self) -> anyhow::Result<Rootfs> {
        let rootfs = match self {
            Self::Passing(tree) => tree.rootfs()?,
            Self::Kept(tree) => tree.rootfs()?,
        };
        Ok(match rootfs {
            SnapshotRootfs::Mount(mount) => Rootfs::Mount(mount),
            SnapshotRootfs::Dir(path) => Rootfs::Dir(path),
        })
    }
}

/// How long a container's tree is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lasting {
    /// As long as this process.
    Passing,
    /// As long as the container.
    Kept,
}

/// Makes `container` ready.
///
/// # Errors
/// A layer is missing, the image's user is unknown, or a mount cannot be had.
pub(crate) fn launch(app: &App, container: &Container, lasting: Lasting) -> anyhow::Result<Launch> {
    let spec = Spec::of(container)?;
    let store = app.store()?;
    let tree = match lasting {
        Lasting::Passing => Tree::Passing(store.prepare(&spec.stack())?),
        Lasting::Kept => Tree::Kept(store.container_tree(container.directory(), &spec.stack())?),
    };
    let hostname = hostname(container, &spec);
    let process = process(container, &spec, tree.root())?;
    let mut bundle = Bundle::docker_default(tree.rootfs()?, process);
    if spec.limits.privileged {
        bundle = bundle.privileged();
    }
    let rights = Rights::new(&spec.limits)?;
    bundle.process.capabilities = rights.capabilities;
    bundle.seccomp = rights.seccomp;
    bundle.resources = rights::resources(&spec.limits)?;
    bundle.network = match Mode::of(&spec.network) {
        Mode::None => Network::None,
        Mode::Host | Mode::Default => Network::Host,
    };
    bundle.root_access = if spec.read_only { Access::ReadOnly } else { Access::ReadWrite };
    add_names(&mut bundle, &spec, &hostname)?;
    add_mounts(&mut bundle, container, &spec, (&tree, store.root()))?;
    bundle.hostname = Some(hostname);
    Ok(Launch { bundle, tree })
}

/// The variables of the container's program, still without a `HOME`.
pub(crate) fn container_env(container: &Container, spec: &Spec) -> Vec<String> {
    let mut env = spec.program.env.clone();
    // An empty value was put there for it when the container had no id.
    if let Some(known) = env.iter_mut().find(|variable| *variable == "HOSTNAME=") {
        known.push_str(&hostname(container, spec));
    }
    env
}

fn process(container: &Container, spec: &Spec, root: &Root) -> anyhow::Result<Process> {
    let user = User::resolve(root.as_fd(), &spec.program.user)?;
    let mut env = container_env(container, spec);
    set_default(&mut env, "HOME", &user.home.to_string_lossy());
    let mut process = Process::new(container.config().command.iter().cloned());
    process.env = env.into_iter().map(Into::into).collect();
    process.cwd = spec.program.cwd.clone().into();
    process.user = user;
    process.privileges = Rights::new(&spec.limits)?.privileges;
    Ok(process)
}

/// `/etc/hosts`, `/etc/resolv.conf` and `/etc/hostname`, which never become part of the container's tree.
fn add_names(bundle: &mut Bundle, spec: &Spec, hostname: &str) -> anyhow::Result<()> {
    bundle.mounts.push(Mount::file(network::hosts(&spec.network, hostname)?, "/etc/hosts"));
    bundle.mounts.push(Mount::file(network::resolv_conf(&spec.network)?, "/etc/resolv.conf"));
    bundle.mounts.push(Mount::file(format!("{hostname}\n"), "/etc/hostname"));
    if let Some(size) = spec.shm_size {
        let shm = bundle.mounts.iter_mut().find(|mount| mount.target == Path::new("/dev/shm"));
        if let Some(mount) = shm {
            mount.source = MountSource::Tmpfs { size: Some(size), mode: SHM_MODE };
        }
    }
    Ok(())
}

fn add_mounts(
    bundle: &mut Bundle,
    container: &Container,
    spec: &Spec,
    (tree, store): (&Tree, &Path),
) -> anyhow::Result<()> {
    let mut volumes = container_volumes(container, store)?.into_iter();
    for request in &spec.mounts {
        let source = match &request.source {
            Source::Bind { path, .. } => MountSource::Bind(path.clone()),
            Source::Tmpfs { size, mode } => MountSource::Tmpfs { size: *size, mode: *mode },
            Source::Volume { copy, .. } => {
                let volume = volumes.next().context("the container's list of volumes is too short")?;
                if *copy == Copy::Up {
                    volume.fill(tree.root(), Path::new(&request.target))?;
                }
                MountSource::Bind(volume.data())
            }
        };
        let mount = Mount::new(source, &request.target);
        bundle.mounts.push(match request.write {
            Write::Allowed => mount,
            Write::Denied => mount.read_only(),
        });
    }
    Ok(())
}

/// The volumes of a container, in the order of its mounts; made anew if somebody removed one.
///
/// # Errors
/// The list cannot be read, or a volume cannot be made.
pub(crate) fn container_volumes(container: &Container, store: &Path) -> anyhow::Result<Vec<Volume>> {
    let volumes = Volumes::of_store(store);
    volume_names(container)?.iter().map(|name| volumes.ensure(Some(name))).collect()
}
