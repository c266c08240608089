//! What a rule is, what it sees, and what it says.

use super::Check;
use crate::diagnostic::Diagnostic;
use crate::dockerfile::ast::{Stage, Statement};
use crate::plan::observation::{Fact, Observation};
use crate::source::Span;

/// Whether a rule applies unasked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Unless it is skipped.
    On,
    /// Only where `experimental=` names it: the reference is not sure of it, or it is a matter of taste.
    Experimental,
}

/// One rule.
#[derive(Debug)]
pub struct Rule {
    /// Its name, as findings and `skip=` spell it.
    pub name: &'static str,
    /// What it asks for, in one line.
    pub summary: &'static str,
    /// Whether it applies unasked.
    pub standing: Standing,
    pub(super) check: fn(&Subject<'_>) -> Vec<Finding>,
}

/// What rules look at.
pub(super) struct Subject<'a> {
    pub(super) check: &'a Check<'a>,
    pub(super) observations: &'a [Observation],
}

impl<'a> Subject<'a> {
    /// The stages.
    pub(super) fn stages(&self) -> &'a [Stage] {
        &self.check.dockerfile.stages
    }

    /// The statements of all stages.
    pub(super) fn statements(&self) -> impl Iterator<Item = &'a Statement> + use<'a> {
        self.check.dockerfile.stages.iter().flat_map(|stage| &stage.statements)
    }

    /// The statements of the whole file, those above the first stage too.
    pub(super) fn all_statements(&self) -> impl Iterator<Item = &'a Statement> + use<'a> {
        self.check.dockerfile.global_args.iter().chain(self.statements())
    }

    /// A finding for each fact of which `say` makes a message.
    pub(super) fn facts(&self, say: impl Fn(&Fact) -> Option<String>) -> Vec<Finding> {
        let found = self.observations.iter();
        found
            .filter_map(|observation| {
                Some(Finding::new(observation.span, observation.statement, say(&observation.kind)?))
            })
            .collect()
    }
}

/// What a rule says of a place.
#[derive(Debug, Clone)]
pub(super) struct Finding {
    span: Span,
    /// The instruction that it is about; a comment above that can skip the rule.
    pub(super) statement: Span,
    /// Where the reference tells it, if not at the instruction's first line.
    told_at: Option<Span>,
    message: String,
    hint: Option<String>,
}

impl Finding {
    pub(super) fn new(span: Span, statement: Span, message: impl Into<String>) -> Self {
        Self { span, statement, told_at: None, message: message.into(), hint: None }
    }

    pub(super) fn told_at(mut self, span: Span) -> Self {
        self.told_at = Some(span);
        self
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(super) fn into_diagnostic(self, rule: &Rule) -> Diagnostic {
        let instruction = self.told_at.unwrap_or(self.statement);
        let diagnostic = Diagnostic::warning(rule.name, self.span, self.message).of(instruction);
        match self.hint {
            Some(hint) => diagnostic.hint(hint),
            None => diagnostic,
        }
    }
}
