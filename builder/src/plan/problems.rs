//! Everything that is wrong with a file at once: what its text gives away, and what planning finds in what could be
//! read.

use super::lower::observe;
use super::options::Options;
use super::stages::Bases;
use crate::diagnostic::Diagnostic;
use crate::dockerfile::{Dockerfile, Parsed};
use crate::source::{SourceFile, Span};

/// The errors of `parsed`, and those of its plan as far as they do not depend on base images that are not in `bases`;
/// in the order of the text.
pub fn problems(source: &SourceFile, parsed: &Parsed, options: &Options, bases: &Bases) -> Vec<Diagnostic> {
    let mut found: Vec<Diagnostic> = parsed.diagnostics.iter().filter(|found| found.is_error()).cloned().collect();
    if parsed.has_all_stages {
        let (_, planned) = observe(&parsed.dockerfile, options, bases);
        let certain = |found: &Diagnostic| is_certain(source, &parsed.dockerfile, found);
        found.extend(planned.into_iter().filter(|found| found.is_error()).filter(certain));
    }
    found.sort_by_key(|found| found.primary.span);
    found.dedup();
    found
}

/// A base image can set variables that the file uses; only those of a `FROM` are known without it.
fn is_certain(source: &SourceFile, dockerfile: &Dockerfile, found: &Diagnostic) -> bool {
    let span: Span = found.primary.span;
    found.code == "invalid-expansion"
        || !source.slice(span).contains('$')
        || dockerfile.stages.iter().any(|stage| stage.span.contains(span))
}
