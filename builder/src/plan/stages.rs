//! Which stages there are, what each is built from, and which of them the target needs.

use dhow_layer_store::oci::{ImageConfig, Platform, Reference};
use std::collections::BTreeMap;

use super::observation::{Fact, Observation};
use super::op::{BaseImage, BaseSource};
use super::options::{ContextKind, Options, Selection};
use super::scope::{globals, word_error};
use super::unneeded;
use crate::diagnostic::Diagnostic;
use crate::dockerfile::ast::{Dockerfile, Instruction, Stage, Statement};
use crate::dockerfile::env::Env;
use crate::dockerfile::mount::MountKey;
use crate::dockerfile::parse_trigger;
use crate::dockerfile::word::{Escape, Word, expand};
use crate::source::{SourceFile, Span};
use crate::suggest;

/// The configs of base images that have been resolved.
pub type Bases = BTreeMap<BaseImage, ImageConfig>;

/// What a stage, a `--from` or a mount's `from` refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum From {
    Scratch,
    Stage(usize),
    Base(BaseImage),
    /// The files of the named context.
    Files(String),
}

/// A stage and what is known of it before it is lowered.
#[derive(Debug)]
pub(super) struct StageNode<'a> {
    pub(super) stage: &'a Stage,
    pub(super) base: From,
    /// Whether a named context takes the stage's place, instructions and all.
    pub(super) replaced: bool,
    pub(super) needed: bool,
    /// What the base left to do.
    pub(super) triggers: Vec<Trigger>,
}

impl<'a> StageNode<'a> {
    fn of_nothing(stage: &'a Stage) -> Self {
        Self { stage, base: From::Scratch, replaced: false, needed: false, triggers: Vec::new() }
    }
}

/// An `ONBUILD` of the base.
#[derive(Debug)]
pub(super) struct Trigger {
    pub(super) statement: Statement,
    pub(super) text: String,
}

/// A base image that has to be resolved before a file can be planned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseRequest {
    /// Which.
    pub image: BaseImage,
    /// As the `FROM` line says, variables expanded.
    pub written: String,
    /// The base in the `FROM` line.
    pub span: Span,
}

/// The stages of a file.
#[derive(Debug)]
pub(super) struct Stages<'a> {
    pub(super) nodes: Vec<StageNode<'a>>,
    pub(super) target: usize,
    pub(super) globals: Env,
    pub(super) requests: Vec<BaseRequest>,
    pub(super) observations: Vec<Observation>,
    dockerfile: &'a Dockerfile,
    pub(super) options: &'a Options,
}

impl<'a> Stages<'a> {
    /// Finds out; whatever is wrong goes to `diagnostics`, and `None` is returned where nothing can be said then.
    pub(super) fn new(
        dockerfile: &'a Dockerfile,
        options: &'a Options,
        bases: &Bases,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<Self> {
        let globals = globals(dockerfile, options, diagnostics);
        let mut stages = Self {
            nodes: Vec::new(),
            target: 0,
            globals,
            requests: Vec::new(),
            observations: Vec::new(),
            dockerfile,
            options,
        };
        for stage in &dockerfile.stages {
            // A base that cannot be made out is reported; the mistakes in its stage are still to be found.
            let node = stages.node(stage, diagnostics).unwrap_or_else(|| StageNode::of_nothing(stage));
            stages.nodes.push(node);
        }
        if stages.nodes.is_empty() {
            return None;
        }
        stages.target = stages.find_target(diagnostics)?;
        stages.mark(stages.target, bases, diagnostics);
        if options.selection == Selection::All {
            (0..stages.nodes.len()).for_each(|index| stages.mark(index, bases, diagnostics));
        }
        unneeded::check(&stages, diagnostics);
        Some(stages)
    }

    /// The `ARG`s above the first stage.
    pub(super) fn global_args(&self) -> impl Iterator<Item = &'a Statement> + use<'a> {
        self.dockerfile.global_args.iter()
    }

    /// The escape character of the file.
    pub(super) fn escape(&self) -> Escape {
        self.dockerfile.escape
    }

    fn node(&mut self, stage: &'a Stage, diagnostics: &mut Vec<Diagnostic>) -> Option<StageNode<'a>> {
        let name = self.expand_from(&stage.from.base, stage, diagnostics);
        let platform = match &stage.from.platform {
            Some(word) => Some(self.platform(word, stage, diagnostics)?),
            None => None,
        };
        let replaced = stage.name().is_some_and(|name| self.is_named_context(name));
        let base = match (replaced, stage.name()) {
            (true, Some(name)) => self.named(name, platform.as_ref(), stage.from.base.span, diagnostics)?,
            _ => self.base(&name?, stage.from.base.span, platform.as_ref(), diagnostics)?,
        };
        Some(StageNode { stage, base, replaced, needed: false, triggers: Vec::new() })
    }

    fn expand_from(&mut self, word: &Word, stage: &Stage, diagnostics: &mut Vec<Diagnostic>) -> Option<String> {
        match expand(word, &self.globals, self.dockerfile.escape) {
            Ok(expansion) => {
                self.observe_missing(&expansion.missing, word, stage);
                Some(expansion.text)
            }
            Err(error) => {
                diagnostics.push(word_error(word, &error));
                None
            }
        }
    }

    fn observe_missing(&mut self, missing: &std::collections::BTreeSet<String>, word: &Word, stage: &Stage) {
        for name in missing.iter().filter(|name| !is_declared(self.dockerfile, name)) {
            let nearest = suggest::nearest(name, self.globals.names()).map(str::to_owned);
            let kind = Fact::UndefinedFromArg { name: name.clone(), nearest };
            self.observations.push(Observation { kind, span: word.span, statement: stage.span });
        }
    }

    fn platform(&mut self, word: &Word, stage: &Stage, diagnostics: &mut Vec<Diagnostic>) -> Option<Platform> {
        let text = self.expand_from(word, stage, diagnostics)?;
        if text.is_empty() {
            let message = format!("`{}` expands to nothing, which is no platform", word.text);
            diagnostics.push(Diagnostic::error("invalid-platform", word.span, message));
            return None;
        }
        self.observe_platform(word, &text, stage);
        match text.parse() {
            Ok(platform) => Some(platform),
            Err(error) => {
                diagnostics.push(Diagnostic::error("invalid-platform", word.span, error.to_string()));
                None
            }
        }
    }

    fn observe_platform(&mut self, word: &Word, text: &str, stage: &Stage) {
        let Ok(expansion) = expand(word, &self.globals, self.dockerfile.escape) else { return };
        let only_target = expansion.missing.is_empty() && expansion.used.iter().eq(["TARGETPLATFORM"]);
        let kind = if only_target && self.globals.get("TARGETPLATFORM") == Some(text) {
            Fact::RedundantPlatform { written: word.text.clone() }
        } else if expansion.used.is_empty() && expansion.missing.is_empty() && !names_platform(stage, text) {
            Fact::ConstantPlatform { platform: text.to_owned() }
        } else {
            return;
        };
        self.observations.push(Observation { kind, span: word.span, statement: stage.span });
    }

    /// What the base `name` of a `FROM` is: only earlier stages count, and their case does too.
    fn base(
        &self,
        name: &str,
        span: Span,
        platform: Option<&Platform>,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<From> {
        if name.is_empty() {
            let message = "the base of the stage expands to nothing";
            diagnostics.push(Diagnostic::error("empty-base", span, message).hint("give the `ARG` a default"));
            return None;
        }
        if let Some(index) = self.nodes.iter().rposition(|node| node.stage.name() == Some(name)) {
            return Some(From::Stage(index));
        }
        if name == "scratch" {
            return Some(From::Scratch);
        }
        self.image(name, span, platform, diagnostics)
    }

    fn image(
        &self,
        name: &str,
        span: Span,
        platform: Option<&Platform>,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<From> {
        if self.is_named_context(name) {
            return self.named(name, platform, span, diagnostics);
        }
        let reference: Reference = match name.parse() {
            Ok(reference) => reference,
            Err(error) => {
                let diagnostic = Diagnostic::error("invalid-reference", span, format!("{error}"));
                let stages = self.dockerfile.stages.iter().filter_map(Stage::name);
                diagnostics.push(diagnostic.did_you_mean(suggest::nearest(name, stages)));
                return None;
            }
        };
        let familiar = reference.familiar();
        let short = familiar.strip_suffix(":latest").unwrap_or(&familiar);
        if self.is_named_context(short) {
            return self.named(short, platform, span, diagnostics);
        }
        let platform = platform.unwrap_or(self.options.target_platform()).clone();
        Some(From::Base(BaseImage { source: BaseSource::Image(reference), platform }))
    }

    fn is_named_context(&self, name: &str) -> bool {
        !matches!(name, "scratch" | "context") && self.options.named_contexts.contains_key(name)
    }

    /// What the named context `name` stands for.
    fn named(
        &self,
        name: &str,
        platform: Option<&Platform>,
        span: Span,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<From> {
        let platform = platform.unwrap_or(self.options.target_platform()).clone();
        let image = |source| Some(From::Base(BaseImage { source, platform }));
        match self.options.named_contexts.get(name)? {
            ContextKind::Image(reference) => image(BaseSource::Image(reference.clone())),
            ContextKind::OwnImage => image(BaseSource::NamedContext(name.to_owned())),
            ContextKind::Scratch => Some(From::Scratch),
            ContextKind::Files => Some(From::Files(name.to_owned())),
            ContextKind::Stage(stage) => {
                let index = self.dockerfile.stage_named(stage);
                if index.is_none() {
                    let message = format!("the context `{name}` is to be the stage `{stage}`, which does not exist");
                    diagnostics.push(Diagnostic::error("unknown-stage", span, message));
                }
                index.map(From::Stage)
            }
        }
    }

    /// What `--from` of `COPY`, where stages have numbers too, or `from` of a mount refers to.
    pub(super) fn from(&self, name: &str, at: FromPlace, diagnostics: &mut Vec<Diagnostic>) -> Option<From> {
        if at.kind == FromKind::Copy
            && let Ok(index) = name.parse::<i64>()
        {
            return self.stage_number(index, at.span, diagnostics).map(From::Stage);
        }
        if let Some(index) = self.dockerfile.stage_named(name) {
            return Some(From::Stage(index));
        }
        if name == "scratch" {
            return Some(From::Scratch);
        }
        self.image(name, at.span, None, diagnostics)
    }

    fn stage_number(&self, index: i64, span: Span, diagnostics: &mut Vec<Diagnostic>) -> Option<usize> {
        let found = usize::try_from(index).ok().filter(|index| *index < self.dockerfile.stages.len());
        if found.is_none() {
            let message = format!("there is no stage number {index}");
            let hint = format!("stages are numbered from 0 to {}", self.dockerfile.stages.len().saturating_sub(1));
            diagnostics.push(Diagnostic::error("unknown-stage", span, message).hint(hint));
        }
        found
    }

    fn find_target(&self, diagnostics: &mut Vec<Diagnostic>) -> Option<usize> {
        let Some(name) = &self.options.target else { return Some(self.nodes.len() - 1) };
        let found = self.dockerfile.stage_named(name);
        if found.is_none() {
            let names: Vec<&str> = self.dockerfile.stages.iter().filter_map(Stage::name).collect();
            let span = self.nodes[0].stage.span;
            let diagnostic = Diagnostic::error("unknown-target", span, format!("there is no stage `{name}` to build"));
            diagnostics.push(match suggest::nearest(name, names.iter().copied()) {
                Some(nearest) => diagnostic.did_you_mean(Some(nearest)),
                None if names.is_empty() => diagnostic.hint("no stage has a name: write `FROM … AS NAME`"),
                None => diagnostic.hint(format!("there are {}", names.join(", "))),
            });
        }
        found
    }

    /// Marks stage `index` and all that it needs. Triggers of bases that are not resolved yet are not known yet.
    fn mark(&mut self, index: usize, bases: &Bases, diagnostics: &mut Vec<Diagnostic>) {
        let mut waiting = vec![index];
        while let Some(index) = waiting.pop() {
            if std::mem::replace(&mut self.nodes[index].needed, true) {
                continue;
            }
            let base = self.nodes[index].base.clone();
            match &base {
                From::Stage(base) => waiting.push(*base),
                From::Base(image) => self.request(index, image, bases),
                From::Scratch | From::Files(_) => {}
            }
            if self.nodes[index].replaced {
                continue;
            }
            self.nodes[index].triggers = self.triggers(index, &base, bases, diagnostics);
            let node = &self.nodes[index];
            let triggers = node.triggers.iter().map(|trigger| &trigger.statement);
            for statement in triggers.chain(&node.stage.statements) {
                waiting.extend(self.needs(statement));
            }
        }
    }

    fn request(&mut self, index: usize, image: &BaseImage, bases: &Bases) {
        if bases.contains_key(image) || self.requests.iter().any(|request| request.image == *image) {
            return;
        }
        let word = &self.nodes[index].stage.from.base;
        let written = expand(word, &self.globals, self.dockerfile.escape).map(|expansion| expansion.text);
        let written = written.unwrap_or_else(|_| word.text.clone());
        self.requests.push(BaseRequest { image: image.clone(), written, span: word.span });
    }

    fn triggers(&self, index: usize, base: &From, bases: &Bases, diagnostics: &mut Vec<Diagnostic>) -> Vec<Trigger> {
        let expressions: Vec<String> = match base {
            From::Scratch | From::Files(_) => Vec::new(),
            From::Base(image) => bases.get(image).map(|config| config.config.on_build.clone()).unwrap_or_default(),
            From::Stage(base) => onbuilds(self.nodes[*base].stage).collect(),
        };
        let span = self.nodes[index].stage.from.base.span;
        let mut triggers = Vec::new();
        for text in expressions {
            match parse_trigger(&SourceFile::new("ONBUILD", text.as_bytes())) {
                Ok(statement) => triggers.push(Trigger { statement, text }),
                Err(found) => {
                    let reason = found.iter().find(|d| d.is_error()).map_or("", |d| d.message.as_str());
                    let message = format!("the base image left an `ONBUILD` trigger that cannot be read: {reason}");
                    diagnostics
                        .push(Diagnostic::error("invalid-trigger", span, message).help(format!("it is `{text}`")));
                }
            }
        }
        triggers
    }

    /// The stages that a statement takes files from. What is wrong with them, lowering reports.
    pub(super) fn needs(&self, statement: &Statement) -> Vec<usize> {
        let span = statement.span;
        let mut ignored = Vec::new();
        let mut stage = |name: &str, kind| match self.from(name, FromPlace { kind, span }, &mut ignored) {
            Some(From::Stage(index)) => Some(index),
            _ => None,
        };
        match &statement.instruction {
            Instruction::Copy(copy) => copy.from.iter().filter_map(|from| stage(&from.value, FromKind::Copy)).collect(),
            Instruction::Run(run) => run
                .mounts
                .iter()
                .filter_map(|mount| mount.get(MountKey::From))
                .filter(|from| !from.text.is_empty())
                .filter_map(|from| stage(&from.text, FromKind::Mount))
                .collect(),
            _ => Vec::new(),
        }
    }
}

/// Where a `from` is written.
#[derive(Debug, Clone, Copy)]
pub(super) struct FromPlace {
    pub(super) kind: FromKind,
    pub(super) span: Span,
}

/// Which `from`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FromKind {
    Copy,
    Mount,
}

fn onbuilds(stage: &Stage) -> impl Iterator<Item = String> {
    stage.statements.iter().filter_map(|statement| match &statement.instruction {
        Instruction::Onbuild(onbuild) => Some(onbuild.expression.clone()),
        _ => None,
    })
}

/// Whether an `ARG` above the first `FROM` declares `name`, with or without value.
fn is_declared(dockerfile: &Dockerfile, name: &str) -> bool {
    dockerfile.global_args.iter().any(|statement| match &statement.instruction {
        Instruction::Arg(args) => args.iter().any(|arg| arg.name.value == name),
        _ => false,
    })
}

/// Whether the stage's name tells the platform, so that a constant one is what was meant.
fn names_platform(stage: &Stage, platform: &str) -> bool {
    let Ok(platform) = platform.parse::<Platform>() else { return true };
    stage.name().is_some_and(|name| name.contains(&platform.os) || name.contains(&platform.architecture))
}
