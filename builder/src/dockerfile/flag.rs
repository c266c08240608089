//! The flags of an instruction, taken by name; what nobody takes is unknown, and an error.

use super::split::RawFlag;
use super::word::Word;
use crate::diagnostic::Diagnostic;
use crate::source::{Span, Spanned};
use crate::suggest;

/// One flag, cut at its `=`.
#[derive(Debug, Clone)]
pub(crate) struct Flag {
    /// Without the dashes.
    name: String,
    value: Option<String>,
    /// The whole flag.
    pub(crate) span: Span,
    /// The value; the whole flag where quotes or escapes hide it.
    value_span: Span,
}

impl Flag {
    fn new(raw: &RawFlag) -> Self {
        let body = raw.text.strip_prefix("--").unwrap_or(&raw.text);
        let (name, value) = match body.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (body, None),
        };
        let value_span = match (&value, raw.verbatim) {
            (Some(value), true) => Span::new(raw.span.end - value.len(), raw.span.end),
            _ => raw.span,
        };
        Self { name: name.to_owned(), value, span: raw.span, value_span }
    }

    /// The value with its place.
    fn word(&self) -> Option<Word> {
        self.value.as_ref().map(|value| Word::new(value.clone(), self.value_span))
    }
}

/// The flags of one instruction.
#[derive(Debug)]
pub(crate) struct Flags<'a> {
    instruction: &'static str,
    known: &'static [&'static str],
    flags: Vec<Flag>,
    diagnostics: &'a mut Vec<Diagnostic>,
}

impl<'a> Flags<'a> {
    /// Takes the flags of `instruction`, which has those of `known` (without dashes) and no others.
    pub(crate) fn new(
        instruction: &'static str,
        raw: &[RawFlag],
        known: &'static [&'static str],
        diagnostics: &'a mut Vec<Diagnostic>,
    ) -> Self {
        let mut flags = Self { instruction, known, flags: raw.iter().map(Flag::new).collect(), diagnostics };
        flags.reject_unknown();
        flags
    }

    fn reject_unknown(&mut self) {
        let (known, unknown) = self.flags.drain(..).partition(|flag| self.known.contains(&flag.name.as_str()));
        self.flags = known;
        let unknown: Vec<Flag> = unknown;
        for flag in unknown {
            let message = format!("unknown flag `--{}` of `{}`", flag.name, self.instruction);
            let nearest = suggest::nearest(&flag.name, self.known.iter().copied()).map(|name| format!("--{name}"));
            let diagnostic = Diagnostic::error("unknown-flag", flag.span, message);
            self.diagnostics.push(match (&nearest, self.known) {
                (Some(_), _) => diagnostic.did_you_mean(nearest.as_deref()),
                (None, []) => diagnostic.hint(format!("`{}` has no flags", self.instruction)),
                (None, known) => diagnostic.hint(format!("`{}` has --{}", self.instruction, known.join(", --"))),
            });
        }
    }

    /// Every value of a flag that may be repeated.
    pub(crate) fn words(&mut self, name: &str) -> Vec<Word> {
        let found: Vec<Flag> = self.flags.iter().filter(|flag| flag.name == name).cloned().collect();
        found.iter().filter_map(|flag| self.value_of(flag)).collect()
    }

    /// The value of a flag that may be given once.
    pub(crate) fn word(&mut self, name: &str) -> Option<Word> {
        let flag = self.only(name)?;
        self.value_of(&flag)
    }

    /// The same where an empty value counts as none, as in the reference.
    pub(crate) fn nonempty(&mut self, name: &str) -> Option<Word> {
        self.word(name).filter(|word| !word.text.is_empty())
    }

    /// The value of a flag that says yes or no; alone it says yes.
    pub(crate) fn switch(&mut self, name: &str) -> Option<Spanned<bool>> {
        let flag = self.only(name)?;
        let value = match flag.value.as_deref().map(str::to_lowercase).as_deref() {
            None | Some("true") => true,
            Some("false") => false,
            Some(other) => {
                let message = format!("flag `--{name}` is either true or false, not `{other}`");
                self.diagnostics.push(Diagnostic::error("invalid-flag", flag.value_span, message));
                return None;
            }
        };
        Some(Spanned::new(value, flag.span))
    }

    /// Where to report what is wrong with a value.
    pub(crate) fn report(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    fn only(&mut self, name: &str) -> Option<Flag> {
        let mut found = self.flags.iter().filter(|flag| flag.name == name);
        let first = found.next()?.clone();
        if let Some(second) = found.next() {
            let message = format!("flag `--{name}` is given twice");
            let diagnostic = Diagnostic::error("duplicate-flag", second.span, message).also(first.span, "first here");
            self.diagnostics.push(diagnostic);
        }
        Some(first)
    }

    fn value_of(&mut self, flag: &Flag) -> Option<Word> {
        let word = flag.word();
        if word.is_none() {
            let message = format!("flag `--{}` needs a value", flag.name);
            let hint = format!("write `--{}=VALUE`", flag.name);
            self.diagnostics.push(Diagnostic::error("missing-flag-value", flag.span, message).hint(hint));
        }
        word
    }
}
