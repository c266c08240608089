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
mod unknown_rules;

pub use config::Config;
pub use rule::{Rule, Standing};
pub use rules::{REFERENCE_RULES, RULES};

use crate::diagnostic::Diagnostic;
use crate::dockerfile::Dockerfile;
use crate::dockerfile::directive::DirectiveName;
use crate::ignore::IgnoreRules;
use crate::plan::{self, Bases, Options};
use crate::source::{SourceFile, Span};
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
    /// What is dubious about the switches themselves: names of rules that there are not.
    pub remarks: Vec<Diagnostic>,
    /// What is wrong beyond all rules.
    pub errors: Vec<Diagnostic>,
    /// Where the file says `error=true`, if findings of the reference's rules are to fail the build, and there are any.
    pub violation: Option<Diagnostic>,
}

/// Applies the rules that are switched on, to the stages that the options select; what the reference finds while it
/// parses is found in all.
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
    let violation = if config.is_strict() { violation(&findings, check.dockerfile) } else { None };
    Report { findings, remarks: unknown_rules::find(check.dockerfile), errors, violation }
}

/// The error that `error=true` makes of findings. Rules that the reference does not have cannot fail a build that it
/// accepts.
fn violation(findings: &[Diagnostic], dockerfile: &Dockerfile) -> Option<Diagnostic> {
    let found = |rule: &&Rule| findings.iter().any(|finding| finding.code == rule.name);
    let names: Vec<&str> = REFERENCE_RULES.iter().filter(found).map(|rule| rule.name).collect();
    let directive = dockerfile.directives.iter().find(|directive| directive.name == DirectiveName::Check);
    let span = directive.map_or(Span::default(), |directive| directive.value.span);
    let (plural, list) = (if names.len() == 1 { "the rule" } else { "the rules" }, names.join(", "));
    let message = format!("`error=true` makes an error of what {plural} {list} found");
    let error = Diagnostic::error("lint-violation", span, message);
    (!names.is_empty()).then(|| error.hint(format!("mend it, or write `skip={}`", names.join(","))))
}
