//! The keys of the kinds of steps: which fields of an operation enter, by the table in [`key`](super::key).

use dhow_layer_store::CacheKey;
use dhow_layer_store::oci::DiffId;

use crate::cache::{KeyBuilder, StepKey};
use crate::dockerfile::instruction::{Network, Security};
use crate::plan::{CopyOp, CopySource, Mode, Mount, MountKind, RunOp, WorkdirOp};

/// The key of an empty root.
pub(crate) fn scratch_key() -> StepKey {
    KeyBuilder::new("scratch").finish()
}

/// The key of a base with these layers.
pub(crate) fn base_key(diff_ids: &[DiffId]) -> StepKey {
    let mut key = KeyBuilder::new("base");
    let layers: Vec<String> = diff_ids.iter().map(ToString::to_string).collect();
    key.list("layers", &layers);
    key.finish()
}

/// The key of a `WORKDIR` on the root `below`.
pub(crate) fn workdir_key(op: &WorkdirOp, below: &CacheKey) -> StepKey {
    let mut key = KeyBuilder::new("workdir");
    key.step("below", below);
    key.text("path", &op.path);
    key.text("user", &op.user);
    key.finish()
}

/// The key of a copy; `contents` holds the digest of what each source selects, in order.
pub(crate) fn copy_key(op: &CopyOp, below: &CacheKey, contents: &[String]) -> StepKey {
    let mut key = KeyBuilder::new("copy");
    if !op.link {
        key.step("below", below);
    }
    key.text("destination", &op.destination);
    key.optional("owner", op.owner.as_deref());
    key.optional("mode", op.mode.as_ref().map(mode_text).as_deref());
    key.text("link", if op.link { "yes" } else { "no" });
    let unpack: Vec<&str> = op.sources.iter().map(|source| if unpacks(source) { "unpack" } else { "copy" }).collect();
    key.list("sources", &unpack);
    key.list("contents", contents);
    key.finish()
}

fn unpacks(source: &CopySource) -> bool {
    match source {
        CopySource::Files(files) => files.unpack,
        CopySource::Download { unpack, .. } => *unpack,
        CopySource::Inline { .. } | CopySource::Repository { .. } => false,
    }
}

/// The value itself decides, not how it is spelled.
fn mode_text(mode: &Mode) -> String {
    match mode {
        Mode::Octal(bits) => format!("{bits:o}"),
        Mode::Symbolic(changes) => format!("{changes:?}"),
    }
}

/// What surrounds every `RUN` of a build and can change what it makes.
#[derive(Debug, Clone)]
pub(crate) struct RunSurroundings<'a> {
    /// The network after the build's own choice.
    pub(crate) network: Network,
    /// `--add-host`, as lines of a hosts file.
    pub(crate) hosts: &'a [String],
}

/// The key of a command on the root `below`; `shown` says what each mount shows, in order.
pub(crate) fn run_key(op: &RunOp, below: &CacheKey, shown: &[String], around: &RunSurroundings<'_>) -> StepKey {
    let mut key = KeyBuilder::new("run");
    key.step("below", below);
    key.list("argv", &op.argv);
    let env: Vec<String> = op.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
    key.list("env", &env);
    key.text("user", &op.user);
    key.text("cwd", &op.cwd);
    let mounts: Vec<String> = op.mounts.iter().map(mount_text).collect();
    key.list("mounts", &mounts);
    key.list("shown", shown);
    key.text("network", network_text(around.network));
    key.text("security", if op.security == Security::Insecure { "insecure" } else { "sandbox" });
    let devices: Vec<&str> = op.devices.iter().map(|device| device.name.as_str()).collect();
    key.list("devices", &devices);
    key.optional("hostname", op.hostname.as_deref());
    key.list("hosts", around.hosts);
    if let Some(script) = &op.script {
        key.list("script", &[&script.directory, &script.name, &script.content]);
    }
    key.finish()
}

fn network_text(network: Network) -> &'static str {
    match network {
        Network::Default => "default",
        Network::None => "none",
        Network::Host => "host",
    }
}

fn need(required: bool) -> &'static str {
    if required { "required" } else { "optional" }
}

/// A mount's fields without what it shows; of a secret, its name and never its value.
fn mount_text(mount: &Mount) -> String {
    let kind = match &mount.kind {
        MountKind::Bind { source, .. } => format!("bind {source:?}"),
        MountKind::Cache { id, source, owner, .. } => format!("cache {id:?} {source:?} {owner:?}"),
        MountKind::Tmpfs { size } => format!("tmpfs {size:?}"),
        // What was made without a secret is not what a step makes that requires it.
        MountKind::Secret { id, env, required, owner } => {
            format!("secret {id:?} {env:?} {owner:?} {}", need(*required))
        }
        MountKind::Ssh { id, required, owner } => format!("ssh {id:?} {owner:?} {}", need(*required)),
    };
    format!("{kind} at {:?} {}", mount.target, if mount.readonly { "ro" } else { "rw" })
}
