//! `SOURCE_DATE_EPOCH`: seconds, the context, a named context, or a stage that is a single `ADD` from the network.

use dhow_layer_store::oci::Digest;

use super::git::GitSource;
use super::graph::Epoch;
use super::scope::word_error;
use super::stages::Stages;
use crate::diagnostic::Diagnostic;
use crate::dockerfile::ast::{Instruction, Source, Stage};
use crate::dockerfile::env::Env;
use crate::dockerfile::instruction::{Add, Arg};
use crate::dockerfile::word::{Word, expand};
use crate::source::Span;
use crate::suggest;

const NAME: &str = "SOURCE_DATE_EPOCH";

type Failure = Box<Diagnostic>;

/// Reads the build argument or the global `ARG`; what is wrong with it goes to `diagnostics`.
pub(super) fn read(stages: &Stages<'_>, diagnostics: &mut Vec<Diagnostic>) -> Option<Epoch> {
    let given = stages.options.build_args.get(NAME).map(String::as_str);
    let value = given.or(stages.globals.get(NAME)).filter(|value| !value.is_empty())?;
    if let Ok(seconds) = value.parse() {
        return Some(Epoch::Seconds(seconds));
    }
    if value == "context" {
        return Some(Epoch::Context);
    }
    if !stages.options.named_contexts.contains_key(value)
        && let Err(diagnostic) = check_stage(stages, value)
    {
        diagnostics.push(*diagnostic);
        return None;
    }
    Some(Epoch::Named(value.to_owned()))
}

fn check_stage(stages: &Stages<'_>, value: &str) -> Result<(), Failure> {
    let mut all = stages.nodes.iter().map(|node| node.stage);
    match all.clone().find(|stage| stage.name().is_some_and(|name| name.eq_ignore_ascii_case(value))) {
        Some(stage) => Reader { env: without_epoch(&stages.globals), stages }.stage(stage),
        None => {
            let message = format!("`{NAME}` is `{value}`: no number of seconds, no context and no stage");
            let names = all.by_ref().filter_map(Stage::name);
            let diagnostic = Diagnostic::error("invalid-epoch", place(stages), message);
            Err(Box::new(diagnostic.did_you_mean(suggest::nearest(value, names))))
        }
    }
}

/// The global `ARG` that declares it, if one does.
fn place(stages: &Stages<'_>) -> Span {
    let args = stages.global_args().flat_map(|statement| match &statement.instruction {
        Instruction::Arg(args) => args.as_slice(),
        _ => &[],
    });
    args.filter(|arg| arg.name.value == NAME).last().map_or(Span::default(), |arg| arg.name.span)
}

fn without_epoch(globals: &Env) -> Env {
    let mut env = globals.clone();
    env.unset(NAME);
    env
}

struct Reader<'s, 'a> {
    stages: &'s Stages<'a>,
    env: Env,
}

impl Reader<'_, '_> {
    fn stage(&mut self, stage: &Stage) -> Result<(), Failure> {
        if self.expand(&stage.from.base)? != "scratch" {
            return Err(unfit(stage.from.base.span, "it is not `FROM scratch`"));
        }
        let mut found = false;
        for statement in &stage.statements {
            match &statement.instruction {
                Instruction::Arg(args) => self.args(args)?,
                Instruction::Add(_) if found => return Err(unfit(statement.span, "it has more than one `ADD`")),
                Instruction::Add(add) => {
                    self.add(add, statement.span)?;
                    found = true;
                }
                other => {
                    return Err(unfit(statement.keyword.span, &format!("it has a `{}`", other.keyword())));
                }
            }
        }
        if found { Ok(()) } else { Err(unfit(stage.span, "it has no `ADD`")) }
    }

    fn args(&mut self, args: &[Arg]) -> Result<(), Failure> {
        for arg in args {
            let value = match (self.stages.options.build_args.get(&arg.name.value), &arg.default) {
                (Some(given), _) => given.clone(),
                (None, Some(default)) => self.expand(default)?,
                (None, None) => continue,
            };
            self.env.set(arg.name.value.as_str(), value);
        }
        Ok(())
    }

    fn add(&self, add: &Add, span: Span) -> Result<(), Failure> {
        let [Source::Path(word)] = add.transfer.sources.as_slice() else {
            return Err(unfit(span, "its `ADD` has not just one source from the network"));
        };
        let url = self.expand(word)?;
        if GitSource::parse(&url).is_ok_and(|git| git.is_some()) {
            return Ok(());
        }
        if !url.starts_with("http://") && !url.starts_with("https://") {
            return Err(unfit(word.span, "its `ADD` is not from the network"));
        }
        match &add.checksum {
            Some(checksum) if self.expand(checksum)?.parse::<Digest>().is_err() => {
                Err(unfit(checksum.span, "the checksum is no digest"))
            }
            _ => Ok(()),
        }
    }

    fn expand(&self, word: &Word) -> Result<String, Failure> {
        let expansion = expand(word, &self.env, self.stages.escape());
        expansion.map(|expansion| expansion.text).map_err(|error| Box::new(word_error(word, &error)))
    }
}

fn unfit(span: Span, reason: &str) -> Failure {
    let message = format!("the stage that `{NAME}` names cannot give a date: {reason}");
    let hint = "such a stage is `FROM scratch` and one `ADD` of a URL or a repository";
    Box::new(Diagnostic::error("invalid-epoch", span, message).hint(hint))
}
