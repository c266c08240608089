//! From statements to the tree. All mistakes of a file are found in one run: a statement that cannot be read is
//! reported and left out, and the next one is read.

mod command;
mod context;
mod encoding;
mod from;
mod healthcheck;
mod onbuild;
mod pairs;
mod run;
mod simple;
mod transfer;

use super::ast::{Dockerfile, KEYWORDS, Stage, Statement};
use super::lexer::{self, RawStatement};
use super::syntax;
use super::word::Escape;
use crate::diagnostic::Diagnostic;
use crate::source::{SourceFile, Span};
use crate::suggest;
use context::Context;

pub(crate) use run::parse_bool;

/// A tree and everything that is to be said of its text.
#[derive(Debug)]
pub struct Parsed {
    /// The tree, of what could be read.
    pub dockerfile: Dockerfile,
    /// Whether every `FROM` could be read, so that what follows one stands in its stage.
    pub has_all_stages: bool,
    /// Errors and warnings, in the order of the text.
    pub diagnostics: Vec<Diagnostic>,
}

impl Parsed {
    /// Whether any of it is an error.
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(Diagnostic::is_error)
    }

    /// The tree and the warnings.
    ///
    /// # Errors
    /// Everything that was found, if any of it is an error.
    pub fn into_result(self) -> Result<(Dockerfile, Vec<Diagnostic>), Vec<Diagnostic>> {
        if self.has_errors() {
            return Err(self.diagnostics);
        }
        Ok((self.dockerfile, self.diagnostics))
    }
}

/// Parses a Dockerfile.
pub fn parse(source: &SourceFile) -> Parsed {
    let lexed = lexer::lex(source);
    let mut parser = Parser {
        dockerfile: Dockerfile {
            directives: lexed.directives,
            escape: lexed.escape,
            global_args: Vec::new(),
            stages: Vec::new(),
            comments: lexed.comments,
        },
        broken_from: false,
        diagnostics: lexed.diagnostics,
    };
    let syntax = parser.dockerfile.directives.iter().filter_map(syntax::check);
    parser.diagnostics.extend(syntax.collect::<Vec<_>>());
    let empty = lexed.statements.is_empty();
    lexed.statements.into_iter().for_each(|statement| parser.statement(&statement));
    if empty {
        let message = "the Dockerfile has no instructions";
        parser
            .diagnostics
            .push(Diagnostic::error("empty-dockerfile", Span::default(), message).hint("begin with `FROM`"));
    } else if parser.dockerfile.stages.is_empty() && !parser.diagnostics.iter().any(Diagnostic::is_error) {
        let message = "the Dockerfile has no stage to build";
        parser.diagnostics.push(Diagnostic::error("no-stage", Span::default(), message).hint("add a `FROM`"));
    }
    parser.diagnostics.extend(encoding::check(source, &parser.dockerfile));
    parser.diagnostics.sort_by_key(|diagnostic| diagnostic.primary.span.start);
    let has_all_stages = !parser.broken_from && !parser.dockerfile.stages.is_empty();
    Parsed { dockerfile: parser.dockerfile, has_all_stages, diagnostics: parser.diagnostics }
}

struct Parser {
    dockerfile: Dockerfile,
    /// Whether a `FROM` could not be read, so that a missing stage is no mistake of what follows.
    broken_from: bool,
    diagnostics: Vec<Diagnostic>,
}

impl Parser {
    fn statement(&mut self, raw: &RawStatement) {
        let mut cx = Context::new(raw, self.dockerfile.escape, &mut self.diagnostics);
        if cx.keyword() == "FROM" {
            let stage = from::parse(&mut cx).map(|from| Stage {
                from,
                keyword: cx.written_keyword(),
                comments: raw.comments.clone(),
                span: raw.span,
                empty_continuation: raw.empty_continuation,
                statements: Vec::new(),
            });
            self.broken_from |= stage.is_none();
            self.dockerfile.stages.extend(stage);
            return;
        }
        let Some(statement) = read(&mut cx) else { return };
        self.place(statement);
    }

    fn place(&mut self, statement: Statement) {
        let is_arg = matches!(statement.instruction, super::ast::Instruction::Arg(_));
        match self.dockerfile.stages.last_mut() {
            Some(stage) => stage.statements.push(statement),
            None if is_arg => self.dockerfile.global_args.push(statement),
            None if self.broken_from => {}
            None => {
                let keyword = statement.instruction.keyword();
                let message = format!("`{keyword}` stands before the first `FROM`");
                self.diagnostics.push(
                    Diagnostic::error("no-stage", statement.keyword.span, message)
                        .hint("only `ARG` and directives can come before it"),
                );
            }
        }
    }
}

/// Reads any statement but `FROM`.
fn read(cx: &mut Context<'_, '_>) -> Option<Statement> {
    let instruction = match cx.keyword().as_str() {
        "ADD" => transfer::add(cx),
        "ARG" => pairs::arg(cx),
        "CMD" => command::cmd(cx),
        "COPY" => transfer::copy(cx),
        "ENTRYPOINT" => command::entrypoint(cx),
        "ENV" => pairs::env(cx),
        "EXPOSE" => simple::expose(cx),
        "HEALTHCHECK" => healthcheck::parse(cx),
        "LABEL" => pairs::label(cx),
        "MAINTAINER" => simple::maintainer(cx),
        "ONBUILD" => onbuild::parse(cx),
        "RUN" => run::parse(cx),
        "SHELL" => command::shell(cx),
        "STOPSIGNAL" => simple::stopsignal(cx),
        "USER" => simple::user(cx),
        "VOLUME" => simple::volume(cx),
        "WORKDIR" => simple::workdir(cx),
        _ => unknown(cx),
    }?;
    Some(Statement {
        instruction,
        keyword: cx.written_keyword(),
        line: cx.line.trim().text().to_owned(),
        comments: cx.raw.comments.clone(),
        span: cx.line.span().to(cx.raw.span),
        empty_continuation: cx.raw.empty_continuation,
    })
}

fn unknown<T>(cx: &mut Context<'_, '_>) -> Option<T> {
    let keyword = cx.written_keyword();
    let diagnostic =
        Diagnostic::error("unknown-instruction", keyword.span, format!("unknown instruction `{}`", keyword.value));
    let nearest = suggest::nearest(&keyword.value, KEYWORDS);
    cx.diagnostics.push(match nearest {
        Some(_) => diagnostic.did_you_mean(nearest),
        None => diagnostic
            .hint(format!("if the line belongs to the instruction above, end that one with `{}`", cx.escape.char())),
    });
    None
}

/// Reads a trigger, as `ONBUILD` keeps it in an image's config, apart from any file.
pub(crate) fn parse_trigger(source: &SourceFile) -> Result<Statement, Vec<Diagnostic>> {
    let lexed = lexer::lex(source);
    let mut diagnostics = lexed.diagnostics;
    let [raw] = lexed.statements.as_slice() else {
        let message = "an `ONBUILD` trigger is a single instruction";
        diagnostics.push(Diagnostic::error("invalid-trigger", Span::new(0, source.text().len()), message));
        return Err(diagnostics);
    };
    let mut cx = Context::new(raw, Escape::default(), &mut diagnostics);
    if cx.keyword() == "FROM" {
        let message = "`FROM` cannot be an `ONBUILD` trigger";
        cx.diagnostics.push(Diagnostic::error("invalid-trigger", raw.span, message));
        return Err(diagnostics);
    }
    match read(&mut cx) {
        Some(statement) if !diagnostics.iter().any(Diagnostic::is_error) => Ok(statement),
        _ => Err(diagnostics),
    }
}
