//! A failed build in words: the place in the Dockerfile, the reasons, the remedy, and the exit code.

use std::error::Error;

use dhow_builder::BuildError;
use dhow_builder::diagnostic::{Diagnostic, Paint};
use dhow_builder::source::SourceFile;

use serde_json::{Value, json};

use crate::exit::Exit;
use crate::failure;
use crate::interrupt::Interrupted;
use crate::problem::Problem;

/// The error as it is reported; it needs the Dockerfile to show the place.
pub(super) fn explain(error: BuildError, dockerfile: &SourceFile, paint: Paint) -> anyhow::Error {
    match &error {
        BuildError::Cancelled => Interrupted::by_keyboard().into(),
        BuildError::Dockerfile(findings) => {
            let drawn: Vec<String> = findings.iter().map(|finding| finding.render(dockerfile, paint)).collect();
            Problem::new(drawn.join("\n\n") + "\n").exit(Exit::Dockerfile).into()
        }
        _ => match error.span() {
            Some(span) => {
                let mut finding = Diagnostic::error("build", span, sentence(&error));
                if let Some(hint) = remedy(&error) {
                    finding = finding.hint(hint);
                }
                Problem::new(finding.render(dockerfile, paint) + "\n").exit(exit(&error)).into()
            }
            None => {
                let problem = Problem::new(sentence(&error)).exit(exit(&error));
                match remedy(&error) {
                    Some(hint) => problem.hint(hint).into(),
                    None => problem.into(),
                }
            }
        },
    }
}

/// The error for programs.
pub(super) fn facts(error: &BuildError, dockerfile: &SourceFile) -> Value {
    let mut facts = json!({ "exit": exit(error).code(), "message": sentence(error) });
    if let BuildError::Step { name, .. } = error {
        facts["step"] = Value::from(name.as_str());
        facts["exit_code"] = json!(error.exit_code());
    }
    if let Some(span) = error.span() {
        facts["file"] = Value::from(dockerfile.name());
        facts["line"] = Value::from(dockerfile.line(span.start));
    }
    if let Some(hint) = remedy(error) {
        facts["hint"] = Value::from(hint);
    }
    facts
}

/// The error and its causes as one sentence; a cause that its effect has told already is left out.
fn sentence(error: &BuildError) -> String {
    let mut text = error.to_string();
    for cause in causes(error).skip(1) {
        let cause = cause.to_string();
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

fn causes(error: &BuildError) -> impl Iterator<Item = &(dyn Error + 'static)> {
    let first: &(dyn Error + 'static) = error;
    std::iter::successors(Some(first), |error: &&(dyn Error + 'static)| (*error).source())
}

fn remedy(error: &BuildError) -> Option<String> {
    error.hint().or_else(|| causes(error).find_map(failure::hint))
}

fn exit(error: &BuildError) -> Exit {
    match error {
        BuildError::Step { .. } => Exit::Step,
        BuildError::Image { .. } => causes(error).find_map(failure::exit).unwrap_or(Exit::Failure),
        BuildError::Store(_) => Exit::Store,
        BuildError::Sandbox(_) => Exit::Sandbox,
        BuildError::Dockerfile(_) | BuildError::Unsupported(_) => Exit::Dockerfile,
        _ => Exit::Failure,
    }
}
