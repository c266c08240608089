//! The tree of a Dockerfile: values as data, words still unexpanded.
//!
//! Flags whose values the language never expands are already checked and typed; the others are [`Word`]s.

use serde::Serialize;

use super::directive::Directive;
use super::heredoc::Heredoc;
use super::instruction::{Add, Arg, CommandForm, Copy, From, Healthcheck, Run};
use super::word::{Escape, Word};
use crate::source::{Span, Spanned};

/// A whole file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Dockerfile {
    /// The directives at the top.
    pub directives: Vec<Directive>,
    /// The escape character that the words are written with.
    pub escape: Escape,
    /// The `ARG`s before the first `FROM`.
    pub global_args: Vec<Statement>,
    /// The stages, in order.
    pub stages: Vec<Stage>,
    /// Every comment line but the directives, wherever it stands.
    pub comments: Vec<Span>,
}

impl Dockerfile {
    /// The place in [`stages`](Self::stages) of the last stage called `name`, in whatever case.
    pub fn stage_named(&self, name: &str) -> Option<usize> {
        self.stages.iter().rposition(|stage| stage.name().is_some_and(|own| own.eq_ignore_ascii_case(name)))
    }
}

/// `FROM` and what follows up to the next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stage {
    /// The `FROM` line.
    pub from: From,
    /// As written, such as `FROM` or `from`.
    pub keyword: Spanned<String>,
    /// The comments directly above.
    pub comments: Vec<Spanned<String>>,
    /// The line itself.
    pub span: Span,
    /// The first empty line among the continuations of the `FROM` line.
    pub empty_continuation: Option<Span>,
    /// The instructions, in order.
    pub statements: Vec<Statement>,
}

impl Stage {
    /// The name after `AS`, in lower case.
    pub fn name(&self) -> Option<&str> {
        self.from.alias.as_ref().map(|alias| alias.name.as_str())
    }
}

/// An instruction in its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Statement {
    /// What it says.
    pub instruction: Instruction,
    /// As written, such as `RUN` or `run`.
    pub keyword: Spanned<String>,
    /// The line with continuations joined, without heredoc bodies.
    pub line: String,
    /// The comments directly above.
    pub comments: Vec<Spanned<String>>,
    /// From the keyword to the end, heredocs included.
    pub span: Span,
    /// The first empty line among its continuations: tolerated, and warned of.
    pub empty_continuation: Option<Span>,
}

/// What an instruction says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Instruction {
    /// Adds files, archives, repositories and downloads.
    Add(Add),
    /// Declares build arguments.
    Arg(Vec<Arg>),
    /// Sets the default command.
    Cmd(CommandForm),
    /// Copies files.
    Copy(Copy),
    /// Sets the program.
    Entrypoint(CommandForm),
    /// Sets environment variables.
    Env(Vec<KeyValue>),
    /// Declares ports.
    Expose(Vec<Word>),
    /// Says how to tell whether a container works.
    Healthcheck(Healthcheck),
    /// Sets labels.
    Label(Vec<KeyValue>),
    /// Sets the author.
    Maintainer(Spanned<String>),
    /// Leaves an instruction to the images built from this one.
    Onbuild(Onbuild),
    /// Runs a command.
    Run(Run),
    /// Sets the shell of shell forms.
    Shell(Vec<Spanned<String>>),
    /// Sets the signal that asks a container to end.
    Stopsignal(Word),
    /// Sets the user.
    User(Word),
    /// Declares volumes.
    Volume(Vec<Word>),
    /// Sets, and makes, the working directory.
    Workdir(Word),
}

/// A pair of `ENV` or `LABEL`; both sides are expanded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeyValue {
    /// The name.
    pub key: Word,
    /// What it is set to.
    pub value: Word,
    /// Written `NAME value`, without `=`.
    pub legacy: bool,
}

/// `ONBUILD`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Onbuild {
    /// The trigger as the image's config keeps it: the text after `ONBUILD`, heredocs included.
    pub expression: String,
    /// The trigger, if it is one that can be parsed; the reference finds out only when it fires.
    pub trigger: Option<Box<Statement>>,
}

/// What `COPY` and `ADD` take from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// A path, a pattern, or for `ADD` a URL.
    Path(Word),
    /// A file that stands in the Dockerfile.
    Heredoc(Heredoc),
}

impl Instruction {
    /// Its heredocs, in order; those of a trigger too.
    pub fn heredocs(&self) -> Vec<&Heredoc> {
        match self {
            Self::Run(run) => run.heredocs.iter().collect(),
            Self::Copy(copy) => copy.transfer.heredocs().collect(),
            Self::Add(add) => add.transfer.heredocs().collect(),
            Self::Onbuild(onbuild) => onbuild.trigger.iter().flat_map(|t| t.instruction.heredocs()).collect(),
            _ => Vec::new(),
        }
    }

    /// The keyword, in upper case.
    pub fn keyword(&self) -> &'static str {
        match self {
            Self::Add(_) => "ADD",
            Self::Arg(_) => "ARG",
            Self::Cmd(_) => "CMD",
            Self::Copy(_) => "COPY",
            Self::Entrypoint(_) => "ENTRYPOINT",
            Self::Env(_) => "ENV",
            Self::Expose(_) => "EXPOSE",
            Self::Healthcheck(_) => "HEALTHCHECK",
            Self::Label(_) => "LABEL",
            Self::Maintainer(_) => "MAINTAINER",
            Self::Onbuild(_) => "ONBUILD",
            Self::Run(_) => "RUN",
            Self::Shell(_) => "SHELL",
            Self::Stopsignal(_) => "STOPSIGNAL",
            Self::User(_) => "USER",
            Self::Volume(_) => "VOLUME",
            Self::Workdir(_) => "WORKDIR",
        }
    }
}

/// Every keyword of the language.
pub const KEYWORDS: [&str; 18] = [
    "ADD",
    "ARG",
    "CMD",
    "COPY",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "FROM",
    "HEALTHCHECK",
    "LABEL",
    "MAINTAINER",
    "ONBUILD",
    "RUN",
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
];
