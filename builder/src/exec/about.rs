//! What is kept with a step's record for people, beside what entered its key: the names of what the key has as digests.

use serde_json::{Value, json};

use crate::exec::graph::Executor;
use crate::plan::{Mount, MountKind, Node, Op};

/// The base that `node` stands on, or the step; and the names of its mounts, in order.
pub(crate) fn about(executor: &Executor<'_>, node: &Node) -> Value {
    let mut about = json!({});
    let below = node.inputs.first().map(|below| executor.plan.node(*below));
    match below.map(|below| &below.op) {
        Some(Op::Base(image)) => {
            let digest = executor.base(image).map(|base| base.digest.to_string()).unwrap_or_default();
            about["base"] = json!({ "name": image.name(), "digest": digest, "platform": image.platform.to_string() });
        }
        Some(Op::Scratch) | None => {}
        Some(_) => about["below"] = json!(below.map(|below| &below.display)),
    }
    if let Op::Run(op) = &node.op
        && !op.mounts.is_empty()
    {
        about["mounts"] = op.mounts.iter().map(|mount| json!(mount_name(mount))).collect();
    }
    about
}

fn mount_name(mount: &Mount) -> String {
    let target = || mount.target.clone().unwrap_or_default();
    match &mount.kind {
        MountKind::Bind { .. } => format!("bind {}", target()),
        MountKind::Cache { .. } => format!("cache {}", target()),
        MountKind::Tmpfs { .. } => format!("tmpfs {}", target()),
        MountKind::Secret { id, .. } => format!("secret {id}"),
        MountKind::Ssh { id, .. } => format!("ssh {id}"),
    }
}
