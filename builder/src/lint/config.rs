//! Which rules apply: the directive `check`, the comments above instructions, the build argument.

use std::collections::BTreeSet;

use super::rule::{Rule, Standing};
use super::rules::RULES;
use crate::diagnostic::Diagnostic;
use crate::dockerfile::Dockerfile;
use crate::dockerfile::directive::DirectiveName;
use crate::dockerfile::parse_bool;
use crate::plan::Options;
use crate::source::{Span, Spanned};
use crate::suggest;

/// The build argument that goes before the directive.
const BUILD_ARG: &str = "BUILDKIT_DOCKERFILE_CHECK";

/// Rules about the file as a whole: as for the reference, comments above an instruction do not switch them.
const FILE_WIDE: [&str; 6] = [
    "NoEmptyContinuation",
    "ConsistentInstructionCasing",
    "DuplicateStageName",
    "ReservedStageName",
    "InvalidDefaultArgInFrom",
    "InvalidBaseImagePlatform",
];

/// A choice of rules.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
enum Choice {
    #[default]
    None,
    Some(BTreeSet<String>),
    All,
}

impl Choice {
    fn has(&self, name: &str) -> bool {
        match self {
            Self::None => false,
            Self::Some(names) => names.contains(name),
            Self::All => true,
        }
    }
}

/// What is switched on and off.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Config {
    skip: Choice,
    experimental: Choice,
    strict: bool,
}

impl Config {
    /// Reads `skip=A,B|all;error=true;experimental=C|all`.
    ///
    /// # Errors
    /// A key is unknown or has no `=`; the message says which.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut config = Self::default();
        for part in text.splitn(3, ';').filter(|_| !text.trim().is_empty()) {
            let Some((key, value)) = part.split_once('=') else {
                return Err(format!("`{}` is no `key=value`", part.trim()));
            };
            let value = value.trim();
            match key.trim() {
                "skip" => config.skip = choice(value),
                "experimental" => config.experimental = choice(value),
                "error" => {
                    config.strict = parse_bool(value).ok_or(format!("`error` is true or false, not `{value}`"))?;
                }
                other => return Err(format!("`{other}` is none of `skip`, `error` and `experimental`")),
            }
        }
        Ok(config)
    }

    /// What the build argument says, or else the file.
    ///
    /// # Errors
    /// It cannot be read.
    pub(super) fn of(dockerfile: &Dockerfile, options: &Options) -> Result<Self, Box<Diagnostic>> {
        if let Some(text) = options.build_args.get(BUILD_ARG) {
            return Self::parse(text).map_err(|reason| {
                let message = format!("build argument `{BUILD_ARG}` cannot be read: {reason}");
                Box::new(Diagnostic::error("invalid-check", Span::default(), message))
            });
        }
        match dockerfile.directives.iter().find(|directive| directive.name == DirectiveName::Check) {
            Some(directive) => Self::read(&read_part(&directive.value)),
            None => Ok(Self::default()),
        }
    }

    fn read(text: &Spanned<String>) -> Result<Self, Box<Diagnostic>> {
        Self::parse(&text.value).map_err(|reason| {
            let names = RULES.iter().map(|rule| rule.name);
            Box::new(
                Diagnostic::error("invalid-check", text.span, format!("the check directive cannot be read: {reason}"))
                    .did_you_mean(reason.split('`').nth(1).and_then(|word| suggest::nearest(word, names))),
            )
        })
    }

    /// `rule` alone.
    pub fn only(rule: &Rule) -> Self {
        let others = RULES.iter().filter(|other| other.name != rule.name).map(|other| other.name.to_owned());
        Self {
            skip: Choice::Some(others.collect()),
            experimental: Choice::Some([rule.name.to_owned()].into()),
            strict: false,
        }
    }

    /// The names of rules that it has.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        let choices = [&self.skip, &self.experimental].into_iter();
        let named = choices.filter_map(|choice| if let Choice::Some(names) = choice { Some(names) } else { None });
        named.flatten().map(String::as_str)
    }

    /// Whether findings count as errors.
    pub fn is_strict(&self) -> bool {
        self.strict
    }

    /// Whether `rule` applies anywhere; an instruction can still switch on what is experimental.
    pub(super) fn may_apply(&self, rule: &Rule) -> bool {
        match rule.standing {
            Standing::On => !self.skip.has(rule.name),
            Standing::Experimental => true,
        }
    }

    /// Whether `rule` applies to the statement at `span`, comments above it considered.
    pub(super) fn applies(&self, rule: &Rule, span: Span, dockerfile: &Dockerfile) -> bool {
        let comments = if FILE_WIDE.contains(&rule.name) { &[] } else { comments(dockerfile, span) };
        let own = comments.iter().find_map(|comment| {
            let (key, value) = comment.value.split_once('=')?;
            let value = value.split_whitespace().next()?;
            key.trim().eq_ignore_ascii_case("check").then(|| Self::parse(value).ok())?
        });
        let own = own.unwrap_or_default();
        match rule.standing {
            Standing::On => !self.skip.has(rule.name) && !own.skip.has(rule.name),
            Standing::Experimental => {
                let wanted = self.experimental.has(rule.name) || own.experimental.has(rule.name);
                wanted && !own.skip.has(rule.name)
            }
        }
    }
}

fn choice(value: &str) -> Choice {
    match value {
        "all" => Choice::All,
        list => Choice::Some(list.split(',').map(|name| name.trim().to_owned()).collect()),
    }
}

/// What the reference reads of a directive: the text up to its first blank.
pub(super) fn read_part(directive: &Spanned<String>) -> Spanned<String> {
    let text = directive.value.split(' ').next().unwrap_or_default();
    Spanned::new(text.to_owned(), Span::new(directive.span.start, directive.span.start + text.len()))
}

/// The comments directly above the statement or `FROM` at `span`.
fn comments(dockerfile: &Dockerfile, span: Span) -> &[Spanned<String>] {
    let stages = dockerfile.stages.iter();
    let from = stages.clone().find(|stage| stage.span == span).map(|stage| &stage.comments);
    let statements = dockerfile.global_args.iter().chain(stages.flat_map(|stage| &stage.statements));
    let found = from.or_else(|| statements.into_iter().find(|s| s.span == span).map(|statement| &statement.comments));
    found.map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use super::Config;

    #[test]
    fn texts() {
        for text in ["", "skip=all", "skip=", "skip=A, B;error=true", "error=false;skip=A;experimental=B;x"] {
            assert!(Config::parse(text).is_ok(), "{text}");
        }
        for text in ["skip", "error=maybe", "nope=1", "skip=A;;", "skip=A;"] {
            assert!(Config::parse(text).is_err(), "{text}");
        }
        assert!(Config::parse("skip=A;error=true").expect("valid").is_strict());
    }
}
