//! Build arguments that steer the builder.

use super::epoch::{self, Epoch};
use super::graph::Settings;
use super::options::{BUILDER_ARGS, Options, PROXY_ARGS};
use super::stages::Stages;
use crate::diagnostic::Diagnostic;
use crate::dockerfile::ast::{Dockerfile, Instruction};
use crate::dockerfile::env::Env;
use crate::dockerfile::instruction::Arg;
use crate::dockerfile::parse_bool;
use crate::source::Span;
use crate::suggest;

/// Reads the settings.
pub(super) fn settings(stages: &Stages<'_>, diagnostics: &mut Vec<Diagnostic>) -> Settings {
    let options = stages.options;
    let text = |name: &str| options.build_args.get(name).filter(|value| !value.is_empty()).cloned();
    let switch = |name: &str| text(name).and_then(|value| parse_bool(&value)).unwrap_or(false);
    Settings {
        epoch: match (options.epoch, epoch::read(stages, diagnostics)) {
            (Some(known), _) => known.0,
            (None, Some(Epoch::Seconds(seconds))) => Some(seconds),
            (None, _) => None,
        },
        cache_mount_namespace: text("BUILDKIT_CACHE_MOUNT_NS"),
        keep_git_dir: switch("BUILDKIT_CONTEXT_KEEP_GIT_DIR"),
        inline_cache: switch("BUILDKIT_INLINE_CACHE"),
        multi_platform: switch("BUILDKIT_MULTI_PLATFORM"),
        build_name: text("BUILDKIT_BUILD_NAME"),
    }
}

/// Warns of build arguments that no `ARG` of the file declares.
pub(super) fn unused_args(dockerfile: &Dockerfile, options: &Options, globals: &Env) -> Vec<Diagnostic> {
    let stages = dockerfile.stages.iter().flat_map(|stage| &stage.statements);
    let declared: Vec<&str> = dockerfile
        .global_args
        .iter()
        .chain(stages)
        .flat_map(|statement| args(&statement.instruction))
        .map(|arg| arg.name.value.as_str())
        .collect();
    let known = |name: &str| {
        declared.contains(&name)
            || PROXY_ARGS.contains(&name)
            || BUILDER_ARGS.contains(&name)
            || globals.get(name).is_some()
    };
    let unknown = options.build_args.keys().filter(|name| !known(name));
    unknown
        .map(|name| {
            let message = format!("no `ARG` declares the build argument `{name}`");
            Diagnostic::warning("unused-build-arg", Span::default(), message)
                .did_you_mean(suggest::nearest(name, declared.iter().copied()))
        })
        .collect()
}

fn args(instruction: &Instruction) -> &[Arg] {
    match instruction {
        Instruction::Arg(args) => args,
        Instruction::Onbuild(onbuild) => match &onbuild.trigger {
            Some(trigger) => args(&trigger.instruction),
            None => &[],
        },
        _ => &[],
    }
}
