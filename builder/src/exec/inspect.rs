//! What becomes of the sandbox of a `RUN` that failed (`--on-error`): nothing, a shell in it, or an image of its files.
//!
//! The shell sees the files as the command left them, its environment, user and directory, and the same mounts made
//! anew: what was written to a bind mount or a tmpfs is gone. It is the image's own shell where there is one.

use std::path::Path;

use dhow_layer_store::oci::{ContainerConfig, History, ImageConfig, ImageId, MediaType, Platform, Raw};
use dhow_layer_store::{ActiveSnapshot, FileKind, Root, Stack, Store};
use dhow_runtime::{Mount as SandboxMount, run_attached};

use crate::error::{BuildError, Result};
use crate::exec::mounts::MountSet;
use crate::exec::run::Run;
use crate::plan::RunOp;
use crate::request::OwnShell;

/// Shells, in the order in which people would choose.
const SHELLS: [&str; 6] = ["/bin/bash", "/usr/bin/bash", "/bin/sh", "/usr/bin/sh", "/bin/ash", "/busybox/sh"];
/// Where a shell of dhow's own is mounted, under its own name: busybox looks at that.
const OWN: &str = "/.dhow";

/// Runs a shell in the failed step's sandbox until the person leaves it.
pub(crate) fn shell(run: &Run<'_>, snapshot: &ActiveSnapshot, mounts: &mut MountSet) -> Result<()> {
    let mut argv = shell_in(snapshot.root(), run.op).map(|path| vec![path]);
    if argv.is_none()
        && let Some(OwnShell { program, args }) = &run.defaults.own_shell
    {
        let target = Path::new(OWN).join(program.file_name().unwrap_or_default()).to_string_lossy().into_owned();
        mounts.mounts.push(SandboxMount::bind(program, &target).read_only());
        argv = Some(std::iter::once(target).chain(args.iter().cloned()).collect());
    }
    let argv = argv.ok_or(BuildError::NoShell)?;
    let mut bundle = run.prepare(snapshot, mounts)?;
    bundle.process.args = argv.into_iter().map(Into::into).collect();
    run_attached(bundle)?;
    Ok(())
}

/// The shell of the step itself, else a usual one.
fn shell_in(root: &Root, op: &RunOp) -> Option<String> {
    let own = match op.argv.as_slice() {
        [shell, flag, _] if flag.starts_with('-') => Some(shell.as_str()),
        _ => None,
    };
    let is_program = |path: &&str| {
        let found = root.metadata(Path::new(path)).ok().flatten();
        path.starts_with('/') && found.is_some_and(|file| file.kind == FileKind::Regular && file.mode & 0o111 != 0)
    };
    own.into_iter().chain(SHELLS).find(is_program).map(str::to_owned)
}

/// Makes an image of the failed step's files, with its environment, user and directory.
pub(crate) fn keep(store: &Store, (op, below): (&RunOp, &Stack), snapshot: ActiveSnapshot) -> Result<ImageId> {
    let stack = below.with(snapshot.commit()?.id().clone());
    let mut image = ImageConfig::new(&Platform::host());
    image.config = ContainerConfig {
        env: op.env.iter().map(|(name, value)| format!("{name}={value}")).collect(),
        user: op.user.clone(),
        working_dir: op.cwd.clone(),
        cmd: Some(op.argv.clone()),
        ..ContainerConfig::default()
    };
    for layer in stack.layers() {
        image.rootfs.diff_ids.push(store.layer(layer)?.diff_id()?);
    }
    let comment = Some("files of a step that failed".to_owned());
    image.history.push(History { created_by: Some(op.argv.join(" ")), comment, ..History::default() });
    let raw = Raw::create(image).map_err(|source| BuildError::Encode { what: "the image's config", source })?;
    Ok(store.add_image(&raw, MediaType::OciConfig, stack.layers(), None)?)
}
