//! The lexer of words: quotes, escapes and variables, as much of a shell as the Dockerfile language has.
//!
//! [`Lex`] reads a text once and gives it both as one word and split into words. It does not know of instructions.

use std::collections::BTreeSet;

use super::env::Env;
use super::glob::{Glob, Reach};

/// Why a word cannot be expanded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WordError {
    /// A quote is opened and not closed.
    #[error("the {0} quote is never closed")]
    OpenQuote(&'static str),
    /// `${` without `}`.
    #[error("`${{` is never closed with `}}`")]
    OpenBrace,
    /// `${name/pattern` without the second `/`.
    #[error("`${{name/pattern/replacement}}` needs its second `/`")]
    NoReplacement,
    /// `${}` and the like.
    #[error("there is no variable name after `${{`")]
    NoName,
    /// `${name=…}` and the like.
    #[error("`{0}` is no operator inside `${{…}}`")]
    UnknownOperator(String),
    /// `${name?message}`, and the variable is not there.
    #[error("variable `{name}` {message}")]
    Required {
        /// The variable.
        name: String,
        /// What the word says of it.
        message: String,
    },
    /// A pattern escapes what cannot be escaped.
    #[error("pattern `{pattern}` ends or goes wrong after a `\\`: only `*`, `?`, `\\`, `/` and `}}` can be escaped")]
    BadPattern {
        /// The pattern.
        pattern: String,
    },
}

/// What becomes of a text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expansion {
    /// The text as one word.
    pub text: String,
    /// The text split at white space outside quotes, after expansion.
    pub words: Vec<String>,
    /// Variables that were asked for and are set.
    pub used: BTreeSet<String>,
    /// Variables that were asked for and are not set.
    pub missing: BTreeSet<String>,
}

/// Whether quotes are taken off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Quotes {
    /// They group, and go.
    Remove,
    /// They group, and stay.
    Keep,
    /// They are characters like others.
    Ignore,
}

/// How a text is read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lex {
    /// The escape character.
    pub(crate) escape: char,
    /// What quotes mean.
    pub(crate) quotes: Quotes,
    /// Whether escape characters stay in the text.
    pub(crate) raw_escapes: bool,
    /// Whether a variable that is not set stays in the text.
    pub(crate) keep_unset: bool,
}

impl Lex {
    /// Reads the way instructions are expanded.
    pub(crate) fn new(escape: char) -> Self {
        Self { escape, quotes: Quotes::Remove, raw_escapes: false, keep_unset: false }
    }

    /// Reads `text` with the variables of `env`.
    pub(crate) fn expand(self, text: &str, env: &Env) -> Result<Expansion, WordError> {
        let mut reader = Reader { lex: self, env, rest: text, out: Expansion::default() };
        let (word, words) = reader.until(None, self.raw_escapes)?;
        reader.out.text = word;
        reader.out.words = words.finish();
        Ok(reader.out)
    }
}

/// Words as they are collected.
#[derive(Default)]
struct Words {
    done: Vec<String>,
    current: String,
}

impl Words {
    fn push(&mut self, c: char) {
        if !c.is_whitespace() {
            self.current.push(c);
        } else if !self.current.is_empty() {
            self.done.push(std::mem::take(&mut self.current));
        }
    }

    fn finish(mut self) -> Vec<String> {
        if !self.current.is_empty() {
            self.done.push(self.current);
        }
        self.done
    }
}

struct Reader<'a> {
    lex: Lex,
    env: &'a Env,
    rest: &'a str,
    out: Expansion,
}

impl Reader<'_> {
    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let c = chars.next();
        self.rest = chars.as_str();
        c
    }

    /// Reads up to `stop`, which is taken and left out, or to the end of the text where there is no stop.
    fn until(&mut self, stop: Option<char>, raw_escapes: bool) -> Result<(String, Words), WordError> {
        let mut text = String::new();
        let mut words = Words::default();
        while let Some(c) = self.peek() {
            if Some(c) == stop {
                self.next();
                return Ok((text, words));
            }
            match c {
                '$' => {
                    let value = self.dollar()?;
                    value.chars().for_each(|c| words.push(c));
                    text.push_str(&value);
                }
                '\'' | '"' if self.lex.quotes != Quotes::Ignore => {
                    let quoted = if c == '"' { self.double_quoted(raw_escapes)? } else { self.single_quoted()? };
                    words.current.push_str(&quoted);
                    text.push_str(&quoted);
                }
                '<' => {
                    let opener = self.angle();
                    words.current.push_str(&opener);
                    text.push_str(&opener);
                }
                _ => self.plain(raw_escapes, &mut text, &mut words),
            }
        }
        if stop.is_some() { Err(WordError::OpenBrace) } else { Ok((text, words)) }
    }

    fn plain(&mut self, raw_escapes: bool, text: &mut String, words: &mut Words) {
        let Some(c) = self.next() else { return };
        if c != self.lex.escape {
            words.push(c);
            text.push(c);
            return;
        }
        if raw_escapes {
            words.current.push(c);
            text.push(c);
        }
        if let Some(escaped) = self.next() {
            words.current.push(escaped);
            text.push(escaped);
        }
    }

    fn quote_mark(&self, quote: char, out: &mut String) {
        if self.lex.quotes == Quotes::Keep {
            out.push(quote);
        }
    }

    fn single_quoted(&mut self) -> Result<String, WordError> {
        let mut out = String::new();
        self.next();
        self.quote_mark('\'', &mut out);
        let Some(end) = self.rest.find('\'') else { return Err(WordError::OpenQuote("single")) };
        out.push_str(&self.rest[..end]);
        self.rest = &self.rest[end + 1..];
        self.quote_mark('\'', &mut out);
        Ok(out)
    }

    fn double_quoted(&mut self, raw_escapes: bool) -> Result<String, WordError> {
        let mut out = String::new();
        self.next();
        self.quote_mark('"', &mut out);
        loop {
            match self.peek() {
                None => return Err(WordError::OpenQuote("double")),
                Some('"') => {
                    self.next();
                    self.quote_mark('"', &mut out);
                    return Ok(out);
                }
                Some('$') => out.push_str(&self.dollar()?),
                Some(c) if c == self.lex.escape => {
                    self.next();
                    self.escape_in_quotes(raw_escapes, &mut out);
                }
                Some(c) => {
                    self.next();
                    out.push(c);
                }
            }
        }
    }

    /// In double quotes only the quote, `$` and the escape character itself can be escaped.
    fn escape_in_quotes(&mut self, raw_escapes: bool, out: &mut String) {
        let escape = self.lex.escape;
        if raw_escapes {
            out.push(escape);
        }
        match self.peek() {
            None => {}
            Some(c) if c == '"' || c == '$' || c == escape => {
                self.next();
                out.push(c);
            }
            Some(_) => out.push(escape),
        }
    }

    /// `<<` and the white space after it stay together, so that `<< EOF` is one word.
    fn angle(&mut self) -> String {
        self.next();
        if self.peek() != Some('<') {
            return "<".to_owned();
        }
        self.next();
        let mut out = "<<".to_owned();
        while let Some(c @ (' ' | '\t' | '\r')) = self.peek() {
            self.next();
            out.push(c);
        }
        out
    }

    fn name(&mut self) -> String {
        let end = match self.peek() {
            Some(c) if c.is_numeric() => self.rest.find(|c: char| !c.is_numeric()),
            Some('@' | '*' | '#' | '?' | '-' | '$' | '!') => Some(1),
            _ => self.rest.find(|c: char| !c.is_alphanumeric() && c != '_'),
        };
        let (name, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        name.to_owned()
    }

    fn lookup(&mut self, name: &str) -> Option<String> {
        let value = self.env.get(name).map(str::to_owned);
        let seen = if value.is_some() { &mut self.out.used } else { &mut self.out.missing };
        if !seen.contains(name) {
            seen.insert(name.to_owned());
        }
        value
    }

    fn dollar(&mut self) -> Result<String, WordError> {
        self.next();
        if self.peek() == Some('{') {
            self.next();
            return self.braces();
        }
        let name = self.name();
        if name.is_empty() {
            return Ok("$".to_owned());
        }
        Ok(match self.lookup(&name) {
            Some(value) => value,
            None if self.lex.keep_unset => format!("${name}"),
            None => String::new(),
        })
    }

    fn braces(&mut self) -> Result<String, WordError> {
        match self.peek() {
            None => return Err(WordError::OpenBrace),
            Some('{' | '}' | ':') => return Err(WordError::NoName),
            Some(_) => {}
        }
        let name = self.name();
        match self.next() {
            None => Err(WordError::OpenBrace),
            Some('}') => Ok(match self.lookup(&name) {
                Some(value) => value,
                None if self.lex.keep_unset => format!("${{{name}}}"),
                None => String::new(),
            }),
            Some(':') => match self.next() {
                None => Err(WordError::OpenBrace),
                Some(operator) => self.operator(&name, operator, true),
            },
            Some('/') => self.replacement(&name),
            Some(operator) => self.operator(&name, operator, false),
        }
    }

    /// The forms of `${name OPERATOR word}`; with a colon, an empty value counts as unset.
    fn operator(&mut self, name: &str, operator: char, colon: bool) -> Result<String, WordError> {
        let shown = if colon { format!(":{operator}") } else { operator.to_string() };
        let trims = matches!(operator, '#' | '%');
        if (trims && colon) || !matches!(operator, '+' | '-' | '?' | '#' | '%') {
            return Err(WordError::UnknownOperator(shown));
        }
        let (word, _) = self.until(Some('}'), trims)?;
        let value = self.lookup(name);
        if value.is_none() && self.lex.keep_unset {
            return Ok(format!("${{{name}{shown}{word}}}"));
        }
        let present = value.as_ref().is_some_and(|value| !colon || !value.is_empty());
        match operator {
            '-' => Ok(if present { value.unwrap_or_default() } else { word }),
            '+' => Ok(if present { word } else { String::new() }),
            '?' if present => Ok(value.unwrap_or_default()),
            '?' => Err(WordError::Required { name: name.to_owned(), message: required(word, value.is_some()) }),
            _ => trim(operator, &word, &value.unwrap_or_default()),
        }
    }

    fn replacement(&mut self, name: &str) -> Result<String, WordError> {
        let all = self.peek() == Some('/');
        if all {
            self.next();
        }
        let part = |result: Result<(String, Words), WordError>, open| match result {
            Err(WordError::OpenBrace) => Err(open),
            other => other.map(|(text, _)| text),
        };
        let pattern = part(self.until(Some('/'), true), WordError::NoReplacement)?;
        let replacement = part(self.until(Some('}'), true), WordError::OpenBrace)?;
        let value = match self.lookup(name) {
            None if self.lex.keep_unset => return Ok(format!("${{{name}/{pattern}/{replacement}}}")),
            value => value.unwrap_or_default(),
        };
        let glob = Glob::new(&pattern).map_err(|_| WordError::BadPattern { pattern })?;
        Ok(if all { glob.replace_all(&value, &replacement) } else { glob.replace_first(&value, &replacement) })
    }
}

fn required(word: String, set: bool) -> String {
    match (word.is_empty(), set) {
        (false, _) => format!("is required: {word}"),
        (true, true) => "is not allowed to be empty".to_owned(),
        (true, false) => "is not allowed to be unset".to_owned(),
    }
}

/// A doubled operator takes as much as it can.
fn trim(operator: char, word: &str, value: &str) -> Result<String, WordError> {
    let (pattern, reach) = match word.strip_prefix(operator) {
        Some(pattern) => (pattern, Reach::Longest),
        None => (word, Reach::Shortest),
    };
    let glob = Glob::new(pattern).map_err(|_| WordError::BadPattern { pattern: pattern.to_owned() })?;
    Ok(if operator == '#' { glob.trim_start(value, reach) } else { glob.trim_end(value, reach) })
}
