//! `.dockerignore`: which files of a context do not exist for a build (Dockerfile reference, ".dockerignore file").
//!
//! This reads text that somebody else found; `<Dockerfile>.dockerignore` goes before `.dockerignore`.

use crate::diagnostic::Diagnostic;
use crate::pattern::clean;
use crate::pattern_set::{PatternSet, Verdict};
use crate::source::{SourceFile, Span};

/// The rules of an ignore file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IgnoreRules {
    set: PatternSet,
    /// Line and text of each pattern.
    lines: Vec<(usize, String)>,
}

impl IgnoreRules {
    /// Reads an ignore file.
    ///
    /// # Errors
    /// The first pattern that is malformed.
    pub fn parse(source: &SourceFile) -> Result<Self, Box<Diagnostic>> {
        let mut lines = Vec::new();
        let mut patterns = Vec::new();
        let mut spans = Vec::new();
        let mut at = 0;
        for (index, line) in source.text().split_inclusive('\n').enumerate() {
            let text = if index == 0 { line.trim_start_matches('\u{feff}') } else { line };
            let start = at + line.len() - text.trim_start().len();
            at += line.len();
            let written = text.trim();
            if text.starts_with('#') || written.is_empty() {
                continue;
            }
            patterns.push(normalize(written));
            lines.push((index + 1, written.to_owned()));
            spans.push(Span::new(start, start + written.len()));
        }
        match PatternSet::new(patterns.iter().map(String::as_str)) {
            Ok(set) => Ok(Self { set, lines }),
            Err((index, error)) => {
                let message = format!("`{}` is no pattern: {error}", lines[index].1);
                Err(Box::new(Diagnostic::error("invalid-ignore-pattern", spans[index], message)))
            }
        }
    }

    /// Whether nothing is ignored.
    pub fn is_empty(&self) -> bool {
        self.set.is_empty()
    }

    /// Whether `path`, relative to the context, is ignored.
    pub fn is_ignored(&self, path: &str) -> bool {
        self.set.matches(path)
    }

    /// The verdict on the context's top directory, to start a walk with. A walk asks [`judge`](Self::judge) for each
    /// entry and need not look at every directory above it anew.
    pub fn top(&self) -> Verdict {
        self.set.top()
    }

    /// The verdict on `path`, found by walking down to it.
    pub fn judge_path(&self, path: &str) -> Verdict {
        self.set.judge_path(path)
    }

    /// The verdict on `path`, whose directory got `parent`; matched means ignored.
    pub fn judge(&self, parent: &Verdict, path: &str) -> Verdict {
        self.set.judge(parent, path)
    }

    /// Whether something below `directory`, which is ignored, may be included again; a walk need not enter it
    /// otherwise.
    pub fn may_contain_reincluded(&self, directory: &str) -> bool {
        self.set.may_except_below(directory)
    }

    /// Whether there are rules that begin with `!`.
    pub fn has_exceptions(&self) -> bool {
        self.set.has_exceptions()
    }

    /// If `path` is ignored: the number, from 1, and the text of the line that says so.
    pub fn explain(&self, path: &str) -> Option<(usize, &str)> {
        let verdict = self.set.judge_path(path);
        let (line, text) = self.lines.get(verdict.decided_by().filter(|_| verdict.matched())?)?;
        Some((*line, text))
    }

    /// The patterns as written.
    pub fn patterns(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().map(|(_, text)| text.as_str())
    }
}

/// All patterns are relative to the context, with or without `/` in front.
fn normalize(written: &str) -> String {
    let (mark, path) = match written.strip_prefix('!') {
        Some(path) => ("!", path.trim()),
        None => ("", written),
    };
    if path.is_empty() {
        return mark.to_owned();
    }
    let path = clean(path);
    match path.strip_prefix('/') {
        Some(relative) if !relative.is_empty() => format!("{mark}{relative}"),
        _ => format!("{mark}{path}"),
    }
}

#[cfg(test)]
mod tests {
    use super::IgnoreRules;
    use crate::source::{SourceFile, Span};

    fn rules(text: &str) -> IgnoreRules {
        IgnoreRules::parse(&SourceFile::new(".dockerignore", text)).expect("valid ignore file")
    }

    fn check(text: &str, ignored: &[&str], kept: &[&str]) {
        let rules = rules(text);
        ignored.iter().for_each(|path| assert!(rules.is_ignored(path), "{text:?} {path}"));
        kept.iter().for_each(|path| assert!(!rules.is_ignored(path), "{text:?} {path}"));
    }

    #[test]
    fn files() {
        check("\u{feff}# comment\n\n  a  \r\n/b\n", &["a", "a/x", "b", "/b"], &["# comment", "c/b"]);
        check(" # no comment", &["# no comment"], &[]);
        check("*\n! a\n!/b/", &["c", "c/a"], &["a", "b", "b/c"]);
        check(
            "**/node_modules\n*.log\n!keep.log",
            &["node_modules/x", "a/node_modules/y", "x.log"],
            &["keep.log", "a/x.log"],
        );
        check("", &[], &["a", "."]);
        check("/", &[], &["a"]);
        check("*", &["a", "a/b"], &[".", ""]);
        check("A", &["A"], &["a"]);
    }

    #[test]
    fn explanations() {
        let rules = rules("# none\n*.md\n!README.md\n\ndocs/");
        assert_eq!(rules.explain("x.md"), Some((2, "*.md")));
        assert_eq!(rules.explain("README.md"), None);
        assert_eq!(rules.explain("docs/a/b"), Some((5, "docs/")));
        assert_eq!(rules.explain("src"), None);
    }

    #[test]
    fn malformed_files() {
        for (text, span) in [("a\n  [b\n", Span::new(4, 6)), ("!\n", Span::new(0, 1)), ("a\n! \n", Span::new(2, 3))] {
            let error = IgnoreRules::parse(&SourceFile::new(".dockerignore", text)).expect_err("malformed");
            assert_eq!(error.primary.span, span, "{text:?}");
        }
    }
}
