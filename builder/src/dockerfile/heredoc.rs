//! Here-documents: `<<NAME` in `RUN`, `COPY` and `ADD` (Dockerfile reference, "Here-Documents").
//!
//! This module finds the openers in a line; the lexer reads the bodies.

use serde::Serialize;

use super::env::Env;
use super::shell::{Lex, Quotes};
use crate::source::Span;

/// A here-document with its body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Heredoc {
    /// The word that ends the body.
    pub name: String,
    /// Whether variables in the body are expanded by `COPY` and `ADD`: no part of the name is quoted.
    pub expand: bool,
    /// Whether leading tabs of the body go: `<<-`.
    pub strip_tabs: bool,
    /// The file descriptor, 0 if none is written.
    pub descriptor: u32,
    /// The body as it stands in the file, with its line ends.
    pub body: String,
    /// Where the body stands.
    pub span: Span,
}

impl Heredoc {
    /// The body with the tabs off that `<<-` takes off.
    pub fn content(&self) -> String {
        if !self.strip_tabs {
            return self.body.clone();
        }
        self.body.split_inclusive('\n').map(|line| line.trim_start_matches('\t')).collect()
    }

    /// Whether `line`, with or without its end, closes the body.
    pub(crate) fn ends_at(&self, line: &str) -> bool {
        let line = line.trim_end_matches(['\r', '\n']);
        let line = if self.strip_tabs { line.trim_start_matches('\t') } else { line };
        line == self.name
    }
}

/// Reads `[N]<<[-]NAME` if `word` is that and nothing more.
pub(crate) fn opener(word: &str) -> Option<Heredoc> {
    let (descriptor, rest) = word.split_once("<<")?;
    if !descriptor.chars().all(|c| c.is_ascii_digit()) || rest.contains('<') {
        return None;
    }
    let strip_tabs = rest.starts_with('-');
    let rest = rest.strip_prefix('-').unwrap_or(rest).trim_start();
    let unquoted = single_word(rest, Quotes::Remove)?;
    let quoted = single_word(rest, Quotes::Keep)?;
    let quotes = |text: &str| text.matches(['\'', '"']).count();
    Some(Heredoc {
        expand: quotes(&unquoted) == quotes(&quoted),
        name: unquoted,
        strip_tabs,
        descriptor: descriptor.parse().unwrap_or(0),
        body: String::new(),
        span: Span::default(),
    })
}

/// A heredoc that a line opens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Opener {
    /// The heredoc, its body not yet read.
    pub(crate) heredoc: Heredoc,
    /// Whether white space follows `<<`, as in a shell's arithmetic too: `$((1 << 3))`.
    pub(crate) spaced: bool,
}

/// The openers of a whole line, in order. A line that a shell could not read either has none.
pub(crate) fn openers(line: &str) -> Vec<Opener> {
    if !line.contains("<<") {
        return Vec::new();
    }
    let lex = Lex { quotes: Quotes::Keep, raw_escapes: true, keep_unset: true, ..Lex::new('\\') };
    let words = lex.expand(line, &Env::new()).map(|expansion| expansion.words).unwrap_or_default();
    let openers = words.iter().filter_map(|word| Some((word, opener(word)?)));
    openers.map(|(word, heredoc)| Opener { spaced: word.contains("<< ") || word.contains("<<\t"), heredoc }).collect()
}

fn single_word(text: &str, quotes: Quotes) -> Option<String> {
    let lex = Lex { quotes, keep_unset: true, ..Lex::new('\\') };
    let mut words = lex.expand(text, &Env::new()).ok()?.words;
    (words.len() == 1).then(|| words.remove(0))
}

#[cfg(test)]
mod tests {
    use super::openers;

    fn check(line: &str, expected: &[(&str, bool, bool, u32)]) {
        let found = openers(line).into_iter().map(|opener| opener.heredoc);
        let found: Vec<_> = found.map(|h| (h.name, h.expand, h.strip_tabs, h.descriptor)).collect();
        let expected: Vec<_> = expected.iter().map(|(n, e, s, d)| ((*n).to_owned(), *e, *s, *d)).collect();
        assert_eq!(found, expected, "{line}");
    }

    #[test]
    fn openers_of_lines() {
        check("RUN <<EOF", &[("EOF", true, false, 0)]);
        check("RUN cat <<EOF > /f", &[("EOF", true, false, 0)]);
        check("RUN cat << EOF", &[("EOF", true, false, 0)]);
        check("COPY <<-'A' <<\"B\" /d", &[("A", false, true, 0), ("B", false, false, 0)]);
        check("RUN 3<<E true", &[("E", true, false, 3)]);
        check("RUN <<E\"O\"F", &[("EOF", false, false, 0)]);
        check("RUN <<'two words'", &[("two words", false, false, 0)]);
        check("RUN <<EOF>/f", &[("EOF>/f", true, false, 0)]);
        check("RUN <<EOF bash\\", &[("EOF", true, false, 0)]);
    }

    #[test]
    fn what_is_no_opener() {
        for line in [
            "RUN cat <<<word",
            "RUN a<<EOF",
            "RUN <<",
            "RUN <<- EOF",
            "RUN \"<<EOF\"",
            "RUN it's <<EOF",
            "RUN $((1<<2))",
        ] {
            check(line, &[]);
        }
    }
}
