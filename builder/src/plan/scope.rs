//! The global scope: platform arguments and the `ARG`s above the first `FROM`.

use super::options::{EPOCH, KnownEpoch, Options};
use crate::diagnostic::Diagnostic;
use crate::dockerfile::WordError;
use crate::dockerfile::ast::{Dockerfile, Instruction};
use crate::dockerfile::env::Env;
use crate::dockerfile::word::{Word, expand};

/// An error about expanding `word`.
pub(super) fn word_error(word: &Word, error: &WordError) -> Diagnostic {
    let code = if matches!(error, WordError::Required { .. }) { "required-variable" } else { "invalid-expansion" };
    let diagnostic = Diagnostic::error(code, word.span, error.to_string());
    match error {
        WordError::OpenQuote(_) => diagnostic.hint("close the quote, or escape it"),
        WordError::UnknownOperator(_) => {
            diagnostic.hint("operators are `:-` `-` `:+` `+` `:?` `?` `#` `##` `%` `%%` `/` `//`")
        }
        WordError::Required { name, .. } => diagnostic.hint(format!("set it, such as with `--build-arg {name}=VALUE`")),
        _ => diagnostic,
    }
}

/// The variables that `FROM` can use and that an `ARG` without value takes over.
pub(super) fn globals(dockerfile: &Dockerfile, options: &Options, diagnostics: &mut Vec<Diagnostic>) -> Env {
    let target = match (&options.target, dockerfile.stages.last()) {
        (Some(target), _) => target.clone(),
        (None, Some(stage)) => stage.name().unwrap_or("default").to_owned(),
        (None, None) => "default".to_owned(),
    };
    let mut env = Env::new();
    for (name, platform) in [("BUILD", &options.host), ("TARGET", options.target_platform())] {
        env.set(format!("{name}PLATFORM"), platform.to_string());
        env.set(format!("{name}OS"), &platform.os);
        env.set(format!("{name}OSVERSION"), platform.os_version.as_deref().unwrap_or_default());
        env.set(format!("{name}ARCH"), &platform.architecture);
        env.set(format!("{name}VARIANT"), platform.variant.as_deref().unwrap_or_default());
    }
    env.set("TARGETSTAGE", target);
    let overridden: Vec<String> =
        env.names().filter(|name| options.build_args.contains_key(*name)).map(str::to_owned).collect();
    for name in overridden {
        env.set(name.as_str(), &options.build_args[&name]);
    }
    for statement in &dockerfile.global_args {
        let Instruction::Arg(args) = &statement.instruction else { continue };
        for arg in args {
            let value = match (options.build_args.get(&arg.name.value), &arg.default) {
                (Some(given), _) => given.clone(),
                (None, None) => continue,
                (None, Some(default)) => match expand(default, &env, dockerfile.escape) {
                    Ok(expansion) => expansion.text,
                    Err(error) => {
                        diagnostics.push(word_error(default, &error));
                        continue;
                    }
                },
            };
            env.set(arg.name.value.as_str(), value);
        }
    }
    settle_epoch(&mut env, options);
    env
}

/// Where it is known what date `SOURCE_DATE_EPOCH` stands for, it is that date.
fn settle_epoch(env: &mut Env, options: &Options) {
    match options.epoch {
        Some(KnownEpoch(Some(seconds))) if env.get(EPOCH).is_some() => env.set(EPOCH, seconds.to_string()),
        Some(KnownEpoch(None)) => env.unset(EPOCH),
        _ => {}
    }
}
