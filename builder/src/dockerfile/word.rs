//! A word as it is written, and what it becomes: the step from [`Word`] to `String`.
//!
//! Forms: `$v ${v} ${v:-w} ${v-w} ${v:+w} ${v+w} ${v:?m} ${v?m} ${v#p} ${v##p} ${v%p} ${v%%p} ${v/p/r} ${v//p/r}`;
//! single quotes and escapes keep a `$` as it is.

use serde::Serialize;

use super::env::Env;
use super::shell::{Expansion, Lex, Quotes, WordError};
use crate::source::Span;

/// The character that escapes others and continues lines: the directive `escape`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Escape {
    /// `\`, the default.
    #[default]
    Backslash,
    /// A backtick, for paths of Windows.
    Backtick,
}

impl Escape {
    /// The character.
    pub fn char(self) -> char {
        match self {
            Self::Backslash => '\\',
            Self::Backtick => '`',
        }
    }
}

/// Text with variables, quotes and escapes still in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Word {
    /// As it is written, continuation lines joined.
    pub text: String,
    /// Where it stands.
    pub span: Span,
}

impl Word {
    /// The word `text` at `span`.
    pub fn new(text: impl Into<String>, span: Span) -> Self {
        Self { text: text.into(), span }
    }

    /// Whether a variable may be in it.
    pub fn has_variable(&self) -> bool {
        self.text.contains('$')
    }
}

/// Expands `word` with the variables of `env`. White space stays as it is; [`Expansion::words`] is split at it.
///
/// # Errors
/// A quote or brace is left open, an operator is unknown, or a variable is required and missing.
pub fn expand(word: &Word, env: &Env, escape: Escape) -> Result<Expansion, WordError> {
    Lex::new(escape.char()).expand(&word.text, env)
}

/// Expands the body of a heredoc: quotes are text, and the escape character is always `\`.
///
/// # Errors
/// As [`expand`], quotes aside.
pub fn expand_heredoc(body: &str, env: &Env) -> Result<Expansion, WordError> {
    Lex { quotes: Quotes::Ignore, ..Lex::new('\\') }.expand(body, env)
}

/// Expands a line to show it: quotes stay, and so do variables that are not set.
///
/// # Errors
/// As [`expand`].
pub fn expand_for_display(text: &str, env: &Env, escape: Escape) -> Result<String, WordError> {
    let lex = Lex { quotes: Quotes::Keep, keep_unset: true, ..Lex::new(escape.char()) };
    lex.expand(text, env).map(|expansion| expansion.text)
}

#[cfg(test)]
mod tests {
    use super::{Escape, Word, expand, expand_heredoc};
    use crate::dockerfile::env::Env;
    use crate::source::Span;

    fn env() -> Env {
        [("HOME", "/h"), ("SH", "bash"), ("NIL", ""), ("P", "/a/b.tar.gz"), ("한", "국")].into_iter().collect()
    }

    fn check(input: &str, expected: Option<&str>) {
        let word = Word::new(input, Span::default());
        let found = expand(&word, &env(), Escape::Backslash).ok().map(|expansion| expansion.text);
        assert_eq!(found.as_deref(), expected, "{input}");
    }

    #[test]
    fn quotes_and_escapes() {
        for (input, expected) in [
            ("it'self'", Some("itself")),
            (r"it\'s", Some("it's")),
            (r"tab\tstop", Some("tabtstop")),
            (r#""tab\tstop""#, Some(r"tab\tstop")),
            (r#""a\\b\"c\$d""#, Some(r#"a\b"c$d"#)),
            (r"'a\b'", Some(r"a\b")),
            (r"end\", Some("end")),
            (r"end\\", Some(r"end\")),
            (r#""mixed 'up'""#, Some("mixed 'up'")),
            ("'$HOME'", Some("$HOME")),
            (r"\$HOME", Some("$HOME")),
            (r"\\$HOME", Some(r"\/h")),
            ("it's", None),
            (r#""open"#, None),
            (r#""open\""#, None),
        ] {
            check(input, expected);
        }
    }

    #[test]
    fn plain_variables() {
        for (input, expected) in [
            ("a$HOME", Some("a/h")),
            ("a${HOME}b", Some("a/hb")),
            ("$NONE.", Some(".")),
            ("$.", Some("$.")),
            ("$", Some("$")),
            ("$$", Some("")),
            ("$1x", Some("x")),
            ("$12x", Some("x")),
            ("$@a", Some("a")),
            ("${#}", Some("")),
            ("$한", Some("국")),
            ("${HOME", None),
            ("${}", None),
            ("${:}", None),
            ("${.}", None),
            ("${{a}}", None),
        ] {
            check(input, expected);
        }
    }

    #[test]
    fn defaults_and_alternatives() {
        for (input, expected) in [
            ("${NONE:-d}", Some("d")),
            ("${NONE-d}", Some("d")),
            ("${NIL:-d}", Some("d")),
            ("${NIL-d}", Some("")),
            ("${NONE:-${SH:-x}}", Some("bash")),
            (r"${NONE:-\$HOME}", Some("$HOME")),
            ("${NONE:-a {b}", Some("a {b")),
            ("${HOME:+y}${NIL:+y}${NIL+n}${NONE+y}", Some("yn")),
            ("${HOME:?}${NIL?}", Some("/h")),
            ("${NIL:?}", None),
            ("${NONE?gone}", None),
            ("${HOME:=x}", None),
            ("${HOME:x}", None),
        ] {
            check(input, expected);
        }
    }

    #[test]
    fn patterns() {
        for (input, expected) in [
            ("${P#*/}", Some("a/b.tar.gz")),
            ("${P##*/}", Some("b.tar.gz")),
            ("${P%.*}", Some("/a/b.tar")),
            ("${P%%.*}", Some("/a/b")),
            (r"${P/\//_}", Some("_a/b.tar.gz")),
            (r"${P//\//_}", Some("_a_b.tar.gz")),
            (r"${P//\//\/}", Some(r"\/a\/b.tar.gz")),
            ("${P/$SH/x}", Some("/a/b.tar.gz")),
            ("${P//./}", Some("/a/btargz")),
            (r"${P#\?}", Some("/a/b.tar.gz")),
            (r"${P#\q}", None),
            ("${P:#x}", None),
            ("${P/x}", None),
            ("${P//x}", None),
        ] {
            check(input, expected);
        }
    }

    #[test]
    fn what_was_asked_for_is_told() {
        let word = Word::new("$HOME ${NONE:-$SH}", Span::default());
        let found = expand(&word, &env(), Escape::Backslash).expect("valid word");
        assert_eq!(found.used.iter().map(String::as_str).collect::<Vec<_>>(), ["HOME", "SH"]);
        assert_eq!(found.missing.iter().map(String::as_str).collect::<Vec<_>>(), ["NONE"]);
    }

    #[test]
    fn words_split_outside_quotes() {
        let env: Env = [("S", "a  b"), ("L", " x")].into_iter().collect();
        for (input, expected) in [
            ("1 ${S}2", vec!["1", "a", "b2"]),
            (r#"1"${S}"2"#, vec!["1a  b2"]),
            ("y${L}", vec!["y", "x"]),
            (r"a\ b", vec!["a b"]),
            ("  ", vec![]),
            ("a << B", vec!["a", "<< B"]),
        ] {
            let word = Word::new(input, Span::default());
            assert_eq!(expand(&word, &env, Escape::Backslash).expect("valid word").words, expected, "{input}");
        }
    }

    #[test]
    fn the_backtick_escapes_when_told_so() {
        let word = Word::new(r"c:\dir`$HOME", Span::default());
        assert_eq!(expand(&word, &env(), Escape::Backtick).expect("valid word").text, r"c:\dir$HOME");
    }

    #[test]
    fn quotes_in_heredocs_are_text() {
        let found = expand_heredoc("it's \"$HOME\" \\$SH", &env()).expect("valid body");
        assert_eq!(found.text, "it's \"/h\" $SH");
    }
}
