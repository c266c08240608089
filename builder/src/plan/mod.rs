//! From the tree to the graph: which steps a build has, what each needs, and what the image's config becomes.
//!
//! Pure: base images are asked for with [`bases`], resolved by the caller, and handed to [`lower()`]. Only the stages
//! that the target needs are planned.

mod chain;
mod config;
mod copy;
mod epoch;
mod git;
mod graph;
mod history;
mod join;
mod lower;
mod mode;
mod mount;
pub(crate) mod observation;
mod op;
mod options;
mod platform;
mod port;
mod problems;
mod quote;
mod run;
mod scope;
mod secret_name;
mod settings;
mod signal;
mod size;
mod stage;
mod stages;
mod unneeded;
mod unset;

pub use epoch::{Epoch, epoch};
pub use git::GitSource;
pub use graph::{Node, NodeId, Plan, PlannedImage, Settings};
pub use join::join;
pub use lower::lower;
pub(crate) use lower::observe;
pub use mode::{Change, FileKind, Mode, Operator};
pub use mount::{Mount, MountKind, Ownership, Sharing};
pub use op::{
    BaseImage, BaseSource, CopyFiles, CopyOp, CopySource, DeviceRequest, DownloadOp, FilesFrom, GitOp, Op, Parents,
    RunOp, Script, WorkdirOp,
};
pub use options::{ContextKind, KnownEpoch, Options, PROXY_ARGS, Selection, StepNames};
pub use problems::problems;
pub use stages::{BaseRequest, Bases};
pub use unset::Unset;

use crate::diagnostic::Diagnostic;
use crate::dockerfile::Dockerfile;

/// The base images that the target needs and that `resolved` does not have yet. A resolved base can bring triggers
/// that need more of them: ask again until the answer is empty.
///
/// # Errors
/// A `FROM` line or the target is wrong.
pub fn bases(
    dockerfile: &Dockerfile,
    options: &Options,
    resolved: &Bases,
) -> Result<Vec<BaseRequest>, Vec<Diagnostic>> {
    let mut diagnostics = Vec::new();
    let stages = stages::Stages::new(dockerfile, options, resolved, &mut diagnostics);
    match stages {
        Some(stages) if !diagnostics.iter().any(Diagnostic::is_error) => Ok(stages.requests),
        _ => Err(diagnostics),
    }
}

/// The value of the global scope when no build arguments are given, for the rule that asks.
pub(crate) fn default_globals(dockerfile: &Dockerfile, options: &Options) -> crate::dockerfile::env::Env {
    let options = Options { build_args: std::collections::BTreeMap::new(), ..options.clone() };
    scope::globals(dockerfile, &options, &mut Vec::new())
}

/// The place of the target among the stages, and which of them it needs, as far as that is known without base images.
///
/// # Errors
/// A `FROM` line or the target is wrong.
pub(crate) fn needed(dockerfile: &Dockerfile, options: &Options) -> Result<(usize, Vec<bool>), Vec<Diagnostic>> {
    let mut diagnostics = Vec::new();
    match stages::Stages::new(dockerfile, options, &Bases::new(), &mut diagnostics) {
        _ if diagnostics.iter().any(Diagnostic::is_error) => Err(diagnostics),
        Some(stages) => Ok((stages.target, stages.nodes.iter().map(|node| node.needed).collect())),
        None => Err(diagnostics),
    }
}
