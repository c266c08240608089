//! Whether this machine can run the programs of foreign platforms, found out before the first step: the kernel hands
//! them to an emulator that is registered with binfmt_misc (proc(5) has its flags; F lets it work in a sandbox).

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};

use dhow_layer_store::oci::Platform;
use dhow_layer_store::{SnapshotRootfs, Stack};
use dhow_runtime::{Bundle, Process, Rootfs, Sandbox, Stdio, User};

use crate::error::{BuildError, Result};
use crate::exec::probe::probe;
use crate::exec::sight::Sight;
use crate::plan::{BaseImage, Node, Op, Options, Plan};
use crate::source_image::ResolvedImage;

const PROBE: &str = "probe";

/// Checks that every `RUN` of the plan can be executed here.
///
/// # Errors
/// [`BuildError::Emulation`] within the first that cannot.
pub(crate) fn check_platforms(
    plan: &Plan,
    options: &Options,
    images: &BTreeMap<BaseImage, ResolvedImage>,
    sight: Sight<'_>,
) -> Result<()> {
    let mut checked = BTreeSet::from([options.host.architecture.clone()]);
    for node in plan.nodes.iter().filter(|node| matches!(node.op, Op::Run(_))) {
        let platform = platform_of(plan, node, (options, images));
        if !checked.insert(platform.architecture.clone()) || can_run(&platform, sight)? {
            continue;
        }
        let source = Box::new(BuildError::Emulation { platform });
        return Err(BuildError::Step { name: node.display.clone(), span: node.span, source });
    }
    Ok(())
}

/// The platform whose programs a step runs: that of the image at the bottom.
fn platform_of(
    plan: &Plan,
    node: &Node,
    (options, images): (&Options, &BTreeMap<BaseImage, ResolvedImage>),
) -> Platform {
    let mut below = node;
    while let Some(input) = below.inputs.first() {
        below = plan.node(*input);
    }
    match &below.op {
        Op::Base(image) => images.get(image).map_or(image.platform.clone(), |resolved| resolved.config.platform()),
        _ => options.target_platform().clone(),
    }
}

/// Tries a program of the platform, in a sandbox as steps have it. What it would be is not known for every platform:
/// then the steps find out.
fn can_run(platform: &Platform, sight: Sight<'_>) -> Result<bool> {
    let Some(program) = probe(&platform.architecture) else { return Ok(true) };
    let snapshot = sight.prepare(&Stack::default())?;
    let root = snapshot.root();
    for directory in ["dev", "proc", "sys"] {
        root.create_dir_all(Path::new(directory), 0o755)?;
    }
    let mut file = root.create_file(Path::new(PROBE), 0o755)?;
    file.write_all(&program).map_err(BuildError::io("write", PROBE))?;
    drop(file);
    root.set_mode(Path::new(PROBE), 0o755)?;
    let mut process = Process::new(["/probe"]);
    process.user = User::root();
    process.cwd = PathBuf::from("/");
    let rootfs = match snapshot.rootfs()? {
        SnapshotRootfs::Mount(mount) => Rootfs::Mount(mount),
        SnapshotRootfs::Dir(path) => Rootfs::Dir(path),
    };
    let running = match Sandbox::create(Bundle::docker_default(rootfs, process), Stdio::output())?.start() {
        Err(dhow_runtime::Error::Exec { .. }) => return Ok(false),
        started => started?,
    };
    Ok(running.wait()?.status.success())
}
