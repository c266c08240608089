//! The mounts of a `RUN`: what the sandbox gets for each, and what has to live until the program has ended.

use std::fs::File;
use std::path::{Path, PathBuf};

use dhow_layer_store::{ActiveSnapshot, Root, SnapshotRootfs, Stack, StagingDir};
use dhow_runtime::{Mount as SandboxMount, MountSource};

use crate::context::{BuildContext, SourceTree, select_exact};
use crate::error::{BuildError, Result};
use crate::exec::agent::AgentSocket;
use crate::exec::bind;
use crate::exec::cache_mount::{CacheMount, CacheRequest};
use crate::exec::copy::Means;
use crate::exec::place::{Destination, Landing};
use crate::exec::sight::Sight;
use crate::plan::{FilesFrom, Mount, MountKind, NodeId, Ownership};
use crate::request::RunDefaults;

/// Where secrets appear unless told otherwise.
const SECRETS: &str = "/run/secrets";
const SECRET_MODE: u32 = 0o400;
const AGENT_MODE: u32 = 0o600;

/// What mounts are made of.
pub(crate) struct MountMaker<'a> {
    pub(crate) sight: Sight<'a>,
    pub(crate) context: &'a dyn Fn(FilesFrom) -> Option<&'a BuildContext>,
    pub(crate) defaults: &'a RunDefaults,
    pub(crate) namespace: Option<&'a str>,
    pub(crate) stack_of: &'a dyn Fn(NodeId) -> Stack,
    pub(crate) means: Means<'a>,
}

/// The mounts of one `RUN`, ready.
#[derive(Debug, Default)]
pub(crate) struct MountSet {
    pub(crate) mounts: Vec<SandboxMount>,
    /// Variables that go with them.
    pub(crate) env: Vec<(String, String)>,
    /// What goes away when the program has ended.
    kept: Vec<Kept>,
}

#[derive(Debug)]
#[allow(dead_code, reason = "held for what dropping it does")]
enum Kept {
    Staging(StagingDir),
    Snapshot(ActiveSnapshot),
    Cache(CacheMount),
    Agent(AgentSocket),
    Lock(File),
}

impl MountMaker<'_> {
    /// Makes all of `mounts`, in order.
    pub(crate) fn make(&self, mounts: &[Mount]) -> Result<MountSet> {
        let mut set = MountSet::default();
        for mount in mounts {
            self.add(mount, &mut set)?;
        }
        Ok(set)
    }

    fn add(&self, mount: &Mount, set: &mut MountSet) -> Result<()> {
        let source = match &mount.kind {
            MountKind::Bind { from, source } => Some(self.bind(*from, source, set)?),
            MountKind::Cache { id, sharing, from, source, owner } => {
                let request = CacheRequest { namespace: self.namespace, id, sharing: *sharing, owner: *owner };
                let fill = &mut |new: &Path| self.fill(*from, source, new);
                let cache = CacheMount::open(self.sight.store, request, self.means.cancel, fill)?;
                let data = cache.data.clone();
                set.kept.push(Kept::Cache(cache));
                Some(MountSource::Bind(data))
            }
            MountKind::Tmpfs { size } => Some(MountSource::Tmpfs { size: *size, mode: 0o1777 }),
            MountKind::Secret { .. } => return self.secret(mount, set),
            MountKind::Ssh { .. } => return self.agent(mount, set),
        };
        if let (Some(source), Some(target)) = (source, &mount.target) {
            let made = SandboxMount::new(source, target);
            set.mounts.push(if mount.readonly { made.read_only() } else { made });
        }
        Ok(())
    }

    /// The whole of a stage is mounted as it is, anything else as a copy.
    fn bind(&self, from: FilesFrom, source: &str, set: &mut MountSet) -> Result<MountSource> {
        if let Some(context) = (self.context)(from) {
            return Ok(MountSource::Bind(self.copy(&context.tree(), source, set)?));
        }
        let path = match from {
            FilesFrom::Node(node) => {
                let snapshot = self.sight.prepare(&(self.stack_of)(node))?;
                if source == "/" {
                    let rootfs = snapshot.rootfs()?;
                    set.kept.push(Kept::Snapshot(snapshot));
                    return Ok(match rootfs {
                        SnapshotRootfs::Mount(mount) => MountSource::Tree(mount),
                        SnapshotRootfs::Dir(path) => MountSource::Bind(path),
                    });
                }
                self.copy(&SourceTree::of_image(snapshot.root()), source, set)?
            }
            FilesFrom::Context => return Err(BuildError::SourceMissing { path: source.into(), nearest: None }),
            FilesFrom::Empty => {
                let (staging, path) = bind::empty(self.sight.store)?;
                set.kept.push(Kept::Staging(staging));
                path
            }
        };
        Ok(MountSource::Bind(path))
    }

    fn copy(&self, tree: &SourceTree<'_>, source: &str, set: &mut MountSet) -> Result<PathBuf> {
        let staging = self.sight.store.staging()?;
        let path = bind::materialize(tree, Path::new(source), (&staging, self.means))?;
        set.kept.push(Kept::Staging(staging));
        Ok(path)
    }

    /// What a new cache directory holds at first.
    fn fill(&self, from: FilesFrom, source: &str, new: &Path) -> Result<()> {
        if let Some(context) = (self.context)(from) {
            return self.fill_from(&context.tree(), source, new);
        }
        match from {
            FilesFrom::Empty | FilesFrom::Context => Ok(()),
            FilesFrom::Node(node) => {
                let view = self.sight.view(&(self.stack_of)(node))?;
                self.fill_from(&SourceTree::of_image(view.root()), source, new)
            }
        }
    }

    fn fill_from(&self, tree: &SourceTree<'_>, source: &str, new: &Path) -> Result<()> {
        let root = Root::open(new)?
            .with_ownership(self.sight.store.options().ownership)
            .map_err(BuildError::io("open", new))?;
        let landing = Landing {
            root: &root,
            destination: Path::new("/"),
            shape: Destination::Directory,
            owner: None,
            chmod: None,
            threads: self.means.threads,
            cancel: self.means.cancel,
            changed: None,
        };
        landing.place(tree, &select_exact(tree, Path::new(source))?)
    }

    fn secret(&self, mount: &Mount, set: &mut MountSet) -> Result<()> {
        let MountKind::Secret { id, env, required, owner } = &mount.kind else { return Ok(()) };
        let Some(content) = self.defaults.secrets.get(id) else {
            let missing = BuildError::NotGiven { kind: "the secret", id: id.clone() };
            return if *required { Err(missing) } else { Ok(()) };
        };
        if let Some(name) = env {
            set.env.push((name.clone(), String::from_utf8_lossy(content).into_owned()));
        }
        let target = match (&mount.target, env) {
            (Some(target), _) => target.clone(),
            (None, None) => format!("{SECRETS}/{id}"),
            (None, Some(_)) => return Ok(()),
        };
        let (uid, gid, mode) = numbers(owner, SECRET_MODE);
        let source = MountSource::File { content: content.clone(), mode, owner: (uid, gid) };
        set.mounts.push(SandboxMount::new(source, target).read_only());
        Ok(())
    }

    fn agent(&self, mount: &Mount, set: &mut MountSet) -> Result<()> {
        let MountKind::Ssh { id, required, owner } = &mount.kind else { return Ok(()) };
        let Some(socket) = self.defaults.ssh.get(id) else {
            let missing = BuildError::NotGiven { kind: "the SSH agent", id: id.clone() };
            return if *required { Err(missing) } else { Ok(()) };
        };
        let number = set.env.iter().filter(|(name, _)| name == "SSH_AUTH_SOCK").count();
        let default = format!("/run/buildkit/ssh_agent.{number}");
        let target = mount.target.clone().unwrap_or(default);
        set.env.push(("SSH_AUTH_SOCK".to_owned(), target.clone()));
        let socket = AgentSocket::open(self.sight.store, socket, numbers(owner, AGENT_MODE))?;
        set.mounts.push(SandboxMount::bind(&socket.path, target));
        set.kept.push(Kept::Agent(socket));
        Ok(())
    }
}

fn numbers(owner: &Ownership, mode: u32) -> (u32, u32, u32) {
    (owner.uid.unwrap_or(0), owner.gid.unwrap_or(0), owner.mode.unwrap_or(mode))
}
