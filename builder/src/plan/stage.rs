//! One stage while it is lowered: its state, and what every instruction needs to work on it.

use std::collections::BTreeSet;

use dhow_layer_store::oci::ImageConfig;

use super::chain::Nodes;
use super::graph::{Node, NodeId};
use super::observation::{Fact, Observation};
use super::op::Op;
use super::options::{Options, StepNames};
use super::platform;
use super::scope::word_error;
use super::stages::{Bases, Stages};
use crate::diagnostic::Diagnostic;
use crate::dockerfile::Expansion;
use crate::dockerfile::ast::Instruction;
use crate::dockerfile::env::Env;
use crate::dockerfile::word::{Escape, Word, expand, expand_for_display};
use crate::source::Span;
use crate::suggest;

/// What a stage hands on to those built from it.
#[derive(Debug, Clone)]
pub(super) struct State {
    /// The node whose root is the stage's so far.
    pub(super) root: NodeId,
    /// The node at its bottom.
    pub(super) base: NodeId,
    /// The nodes between, those that make layers.
    pub(super) layers: Vec<NodeId>,
    /// The variables: of the config, and the declared arguments.
    pub(super) env: Env,
    pub(super) config: ImageConfig,
    pub(super) base_history: usize,
    /// The declared arguments, in order, with their values.
    pub(super) args: Vec<(String, Option<String>)>,
    /// Whether the file has set the working directory.
    pub(super) workdir_set: bool,
}

/// What all stages share.
pub(super) struct Shared<'a> {
    pub(super) stages: Stages<'a>,
    pub(super) options: &'a Options,
    pub(super) bases: &'a Bases,
    pub(super) nodes: Nodes,
    /// The states of the stages that are lowered.
    pub(super) states: Vec<Option<State>>,
    pub(super) diagnostics: Vec<Diagnostic>,
    pub(super) observations: Vec<Observation>,
    pub(super) escape: Escape,
}

/// A stage at work.
pub(super) struct StageLowering<'s, 'a> {
    pub(super) shared: &'s mut Shared<'a>,
    pub(super) state: State,
    pub(super) index: usize,
    /// The `CMD`s, `ENTRYPOINT`s and `HEALTHCHECK`s of this stage, each with its statement.
    pub(super) commands: Vec<(&'static str, Span)>,
    /// The statement at hand.
    pub(super) statement: Span,
    pub(super) progress: Progress,
}

/// How far a stage is, for the names of its nodes.
#[derive(Debug, Clone)]
pub(super) struct Progress {
    /// The stage's name; empty if it is the only one.
    pub(super) name: String,
    /// Whether names begin with a platform.
    pub(super) platforms: StepNames,
    pub(super) total: usize,
    pub(super) done: usize,
    /// `ONBUILD ` while triggers are lowered.
    pub(super) prefix: &'static str,
}

impl Progress {
    /// The name of the next node, which does `what` on a platform.
    pub(super) fn next(&mut self, what: &str, platform: &str) -> String {
        self.done += 1;
        let width = self.total.to_string().len();
        let platform = if self.platforms == StepNames::Plain { String::new() } else { format!("{platform} ") };
        let name = if self.name.is_empty() { String::new() } else { format!("{} ", self.name) };
        format!("[{platform}{name}{:width$}/{}] {}{what}", self.done, self.total, self.prefix)
    }
}

/// Whether an instruction has a node of its own.
pub(super) fn counts(instruction: &Instruction) -> bool {
    matches!(instruction, Instruction::Add(_) | Instruction::Copy(_) | Instruction::Run(_) | Instruction::Workdir(_))
}

impl StageLowering<'_, '_> {
    /// Reports an error.
    pub(super) fn fail(&mut self, diagnostic: Diagnostic) {
        self.shared.diagnostics.push(diagnostic);
    }

    /// Keeps a fact for the rules.
    pub(super) fn observe(&mut self, kind: Fact, span: Span) {
        self.shared.observations.push(Observation { kind, span, statement: self.statement });
    }

    /// Keeps in mind that the stage has a `keyword` now; of those, the last counts.
    pub(super) fn take_place(&mut self, keyword: &'static str) {
        let earlier = self.commands.iter().rev().find(|(other, _)| *other == keyword).map(|(_, span)| *span);
        if let Some(statement) = earlier {
            let span = Span::new(statement.start, statement.start + keyword.len());
            let kind = Fact::Replaced { keyword };
            self.shared.observations.push(Observation { kind, span, statement });
        }
        self.commands.push((keyword, self.statement));
    }

    /// Expands a word with the stage's variables; `None` if that failed and is reported.
    pub(super) fn expand(&mut self, word: &Word) -> Option<String> {
        self.expansion(word).map(|expansion| expansion.text)
    }

    /// The same for a word that need not be there.
    pub(super) fn expand_option(&mut self, word: Option<&Word>) -> Option<Option<String>> {
        match word {
            Some(word) => self.expand(word).map(Some),
            None => Some(None),
        }
    }

    /// The same with all that is to be known of it.
    pub(super) fn expansion(&mut self, word: &Word) -> Option<Expansion> {
        let expansion = self.expand_quietly(word)?;
        self.observe_missing(&expansion.missing, word.span);
        Some(expansion)
    }

    /// The same; variables that are not set are no matter.
    pub(super) fn expand_quietly(&mut self, word: &Word) -> Option<Expansion> {
        if word.text.bytes().all(|c| c.is_ascii_alphanumeric() || b"/.-_:=,+@*".contains(&c)) {
            return Some(Expansion { text: word.text.clone(), words: vec![word.text.clone()], ..Expansion::default() });
        }
        match expand(word, &self.state.env, self.shared.escape) {
            Ok(expansion) => Some(expansion),
            Err(error) => {
                self.fail(word_error(word, &error));
                None
            }
        }
    }

    /// Declared arguments without value are no mistake.
    pub(super) fn observe_missing(&mut self, missing: &BTreeSet<String>, span: Span) {
        for name in missing {
            let declared = self.state.args.iter().any(|(arg, _)| arg == name);
            if !declared && !matches!(name.as_str(), "BUILDKIT_SBOM_SCAN_CONTEXT" | "BUILDKIT_SBOM_SCAN_STAGE") {
                let nearest = suggest::nearest(name, self.state.env.names()).map(str::to_owned);
                self.observe(Fact::UndefinedVariable { name: name.clone(), nearest }, span);
            }
        }
    }

    /// The statement's text for progress, its keyword in upper case, its variables expanded where that is possible.
    pub(super) fn shown(&self, text: &str, env: &Env) -> String {
        let text = expand_for_display(text, env, self.shared.escape).unwrap_or_else(|_| text.to_owned());
        match text.split_once(' ') {
            Some((keyword, rest)) => format!("{} {rest}", keyword.to_uppercase()),
            None => text.to_uppercase(),
        }
    }

    /// The name of the next node, which does `what`.
    pub(super) fn next_name(&mut self, what: &str) -> String {
        let platform = platform::of_step(&self.state.config, &self.state.env);
        self.progress.next(what, &platform)
    }

    /// Adds a node that changes the stage's root.
    pub(super) fn push_layer(&mut self, op: Op, others: Vec<NodeId>, display: String) {
        let mut inputs = vec![self.state.root];
        inputs.extend(others);
        let span = self.statement;
        let id = self.shared.nodes.push(Node { op, inputs, span, display, stage: Some(self.index) });
        self.state.root = id;
        self.state.layers.push(id);
    }

    /// The working directory, never empty.
    pub(super) fn cwd(&self) -> String {
        match self.state.config.config.working_dir.as_str() {
            "" => "/".to_owned(),
            directory => directory.to_owned(),
        }
    }
}
