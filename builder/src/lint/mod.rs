//! Rules about Dockerfiles that build, and should be written otherwise: the 22 of the reference under their names, and
//! some of our own. One file a rule; `docs/lint` has a page for each, whose examples are its tests.
//!
//! Rules are switched by `# check=skip=A,B|all;error=true;experimental=C|all` at the top of a file, by the same comment
//! directly above an instruction, and by the build argument `BUILDKIT_DOCKERFILE_CHECK`.

mod config;
mod rule;
mod rules;
mod run_text;
mod shell_text;

pub use config::Config;
pub use rule::{Rule, Standing};
pub use rules::RULES;

use crate::diagnostic::Diagnostic;
use crate::dockerfile::Dockerfile;
use crate::ignore::IgnoreRules;
use crate::plan::{self, Bases, Options};
use crate::source::SourceFile;
use rule::Subject;

/// What is checked, and what is known around it.
#[derive(Debug, Clone, Copy)]
pub struct Check<'a> {
    /// The file.
    pub source: &'a SourceFile,
    /// Its tree.
    pub dockerfile: &'a Dockerfile,
    /// The arguments of the build.
    pub options: &'a Options,
    /// The base images that are known; others count as empty.
    pub bases: &'a Bases,
    /// The ignore file of the context, if there is one.
    pub ignore: Option<&'a IgnoreRules>,
}

/// What the rules found.
#[derive(Debug, Clone)]
pub struct Report {
    /// The findings, in the order of the text; the codes are the names of the rules.
    pub findings: Vec<Diagnostic>,
    /// What is wrong beyond all rules, in any stage.
    pub errors: Vec<Diagnostic>,
    /// Whether findings count as errors: the file says `error=true`.
    pub strict: bool,
}

/// Applies the rules that are switched on.
///
/// # Errors
/// The text that switches them cannot be read.
pub fn check(check: &Check<'_>) -> Result<Report, Box<Diagnostic>> {
    let config = Config::of(check.dockerfile, check.options)?;
    Ok(check_with(check, &config))
}

/// The same with rules switched by `config`.
pub fn check_with(check: &Check<'_>, config: &Config) -> Report {
    let (observations, diagnostics) = plan::observe(check.dockerfile, check.options, check.bases);
    let subject = Subject { check, observations: &observations };
    let mut findings = Vec::new();
    for rule in RULES.iter().filter(|rule| config.may_apply(rule)) {
        for finding in (rule.check)(&subject) {
            if config.applies(rule, finding.statement, check.dockerfile) {
                findings.push(finding.into_diagnostic(rule));
            }
        }
    }
    findings.sort_by_key(|finding| finding.primary.span);
    findings.dedup();
    let errors = diagnostics.into_iter().filter(Diagnostic::is_error).collect();
    Report { findings, errors, strict: config.is_strict() }
}
