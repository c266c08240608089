//! A failed build in words: the place in the Dockerfile, the reasons, the remedy, and the exit code.

use std::error::Error;

use dhow_builder::BuildError;
use dhow_builder::diagnostic::Diagnostic;
use dhow_builder::source::SourceFile;

use serde_json::{Value, json};

use crate::exit::Exit;
use crate::failure;
use crate::findings::{self, Findings, Tell};
use crate::interrupt::Interrupted;
use crate::output;
use crate::problem::Problem;

/// Reports the error: as one for people, who see the place in the Dockerfile; for programs as a document, if it has
/// a place.
pub(super) fn tell(error: &BuildError, dockerfile: &SourceFile, tell: Tell<'_>) -> anyhow::Result<Exit> {
    if matches!(error, BuildError::Cancelled) {
        return Err(Interrupted::by_keyboard().into());
    }
    let Some(found) = findings(error) else {
        let problem = Problem::new(sentence(error)).exit(exit(error));
        return Err(match remedy(error) {
            Some(hint) => problem.hint(hint).into(),
            None => problem.into(),
        });
    };
    let findings = Findings { source: dockerfile, found: &found };
    match findings::document(tell, std::slice::from_ref(&findings)) {
        Some(document) => {
            output::print(&document)?;
            Ok(exit(error))
        }
        None => {
            let drawn = findings.draw(tell.paint).trim_end().to_owned() + "\n";
            Err(Problem::new(drawn).exit(exit(error)).into())
        }
    }
}

/// The error with its places in the Dockerfile, if it has some.
pub(super) fn findings(error: &BuildError) -> Option<Vec<Diagnostic>> {
    if let BuildError::Dockerfile(findings) = error {
        return Some(findings.clone());
    }
    let finding = Diagnostic::error("build", error.span()?, sentence(error));
    Some(vec![match remedy(error) {
        Some(hint) => finding.hint(hint),
        None => finding,
    }])
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
        BuildError::Step { .. } => failure::beside_the_step(error).unwrap_or(Exit::Step),
        BuildError::Image { .. } => causes(error).find_map(failure::exit).unwrap_or(Exit::Failure),
        BuildError::Store(_) => Exit::Store,
        BuildError::Sandbox(_) => Exit::Sandbox,
        BuildError::Dockerfile(_) | BuildError::Unsupported(_) => Exit::Dockerfile,
        _ => Exit::Failure,
    }
}
