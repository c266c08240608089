//! `SOURCE_DATE_EPOCH`: seconds, the context, a named context, or a stage that is a single `ADD` from the network.
//! Which date the others than seconds have is for the caller to find out.

use dhow_layer_store::oci::Digest;

use super::git::GitSource;
use super::options::{ContextKind, EPOCH, Options};
use super::scope::word_error;
use super::stages::{Bases, Stages};
use crate::diagnostic::Diagnostic;
use crate::dockerfile::ast::{Dockerfile, Instruction, Source, Stage};
use crate::dockerfile::env::Env;
use crate::dockerfile::instruction::{Add, Arg};
use crate::dockerfile::word::{Word, expand};
use crate::source::Span;
use crate::suggest;

type Failure = Box<Diagnostic>;

/// Where the date of a build's image and of its new files comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Epoch {
    /// Seconds since 1970.
    Seconds(i64),
    /// The context.
    Context,
    /// The named context of this name.
    NamedContext(String),
    /// A file on a web server.
    Download {
        /// Where it is.
        url: String,
        /// What its bytes must have.
        checksum: Option<String>,
    },
    /// A commit; the checksum of its `ADD` is in it.
    Repository(GitSource),
}

/// What `SOURCE_DATE_EPOCH` names, and the `ARG` that says so, if it is one of the file.
///
/// # Errors
/// It names nothing that there is, or a stage that can have no date.
pub fn epoch(dockerfile: &Dockerfile, options: &Options) -> Result<Option<(Epoch, Span)>, Vec<Diagnostic>> {
    // What else is wrong is told when the bases are looked for.
    let Some(stages) = Stages::new(dockerfile, options, &Bases::new(), &mut Vec::new()) else { return Ok(None) };
    let mut diagnostics = Vec::new();
    let epoch = read(&stages, &mut diagnostics);
    if diagnostics.is_empty() { Ok(epoch.map(|epoch| (epoch, place(&stages)))) } else { Err(diagnostics) }
}

/// Reads the build argument or the global `ARG`; what is wrong with it goes to `diagnostics`.
pub(super) fn read(stages: &Stages<'_>, diagnostics: &mut Vec<Diagnostic>) -> Option<Epoch> {
    let given = stages.options.build_args.get(EPOCH).map(String::as_str);
    let value = given.or(stages.globals.get(EPOCH)).filter(|value| !value.is_empty())?;
    if let Ok(seconds) = value.parse() {
        return Some(Epoch::Seconds(seconds));
    }
    if value == "context" {
        return Some(Epoch::Context);
    }
    let stage = match stages.options.named_contexts.get(value) {
        Some(ContextKind::Stage(stage)) => stage,
        Some(_) => return Some(Epoch::NamedContext(value.to_owned())),
        None => value,
    };
    stage_source(stages, stage).map_err(|diagnostic| diagnostics.push(*diagnostic)).ok()
}

fn stage_source(stages: &Stages<'_>, value: &str) -> Result<Epoch, Failure> {
    let mut all = stages.nodes.iter().map(|node| node.stage);
    match all.clone().find(|stage| stage.name().is_some_and(|name| name.eq_ignore_ascii_case(value))) {
        Some(stage) => Reader { env: without_epoch(&stages.globals), stages }.stage(stage),
        None => {
            let message = format!("`{EPOCH}` is `{value}`: no number of seconds, no context and no stage");
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
    args.filter(|arg| arg.name.value == EPOCH).last().map_or(Span::default(), |arg| arg.name.span)
}

fn without_epoch(globals: &Env) -> Env {
    let mut env = globals.clone();
    env.unset(EPOCH);
    env
}

struct Reader<'s, 'a> {
    stages: &'s Stages<'a>,
    env: Env,
}

impl Reader<'_, '_> {
    fn stage(&mut self, stage: &Stage) -> Result<Epoch, Failure> {
        if self.expand(&stage.from.base)? != "scratch" {
            return Err(unfit(stage.from.base.span, "it is not `FROM scratch`"));
        }
        let mut found = None;
        for statement in &stage.statements {
            match &statement.instruction {
                Instruction::Arg(args) => self.args(args)?,
                Instruction::Add(_) if found.is_some() => {
                    return Err(unfit(statement.span, "it has more than one `ADD`"));
                }
                Instruction::Add(add) => found = Some(self.add(add, statement.span)?),
                other => {
                    return Err(unfit(statement.keyword.span, &format!("it has a `{}`", other.keyword())));
                }
            }
        }
        found.ok_or_else(|| unfit(stage.span, "it has no `ADD`"))
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

    fn add(&self, add: &Add, span: Span) -> Result<Epoch, Failure> {
        let [Source::Path(word)] = add.transfer.sources.as_slice() else {
            return Err(unfit(span, "its `ADD` has not just one source from the network"));
        };
        let url = self.expand(word)?;
        let checksum = add.checksum.as_ref().map(|word| self.expand(word)).transpose()?;
        if let Some(source) = GitSource::parse(&url).map_err(|reason| unfit(word.span, &reason))? {
            return Ok(Epoch::Repository(GitSource { checksum: checksum.or(source.checksum), ..source }));
        }
        if !url.starts_with("http://") && !url.starts_with("https://") {
            return Err(unfit(word.span, "its `ADD` is not from the network"));
        }
        if let (Some(word), Some(text)) = (&add.checksum, &checksum)
            && text.parse::<Digest>().is_err()
        {
            return Err(unfit(word.span, "the checksum is no digest"));
        }
        Ok(Epoch::Download { url, checksum })
    }

    fn expand(&self, word: &Word) -> Result<String, Failure> {
        let expansion = expand(word, &self.env, self.stages.escape());
        expansion.map(|expansion| expansion.text).map_err(|error| Box::new(word_error(word, &error)))
    }
}

fn unfit(span: Span, reason: &str) -> Failure {
    let message = format!("the stage that `{EPOCH}` names cannot give a date: {reason}");
    let hint = "such a stage is `FROM scratch` and one `ADD` of a URL or a repository";
    Box::new(Diagnostic::error("invalid-epoch", span, message).hint(hint))
}
