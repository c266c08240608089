//! A list of patterns, later ones overruling earlier ones, `!` making exceptions: ignore files and `--exclude`.
//!
//! A pattern that matches a directory matches everything below it. The rules are those of a walk from the top, as the
//! reference does it: what a directory's patterns said is handed down to its entries.

use crate::pattern::{BadPattern, Pattern, clean};

/// One pattern of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    pattern: Pattern,
    exception: bool,
}

/// The list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PatternSet {
    rules: Vec<Rule>,
}

/// What a list says of a path; needed to ask about what lies below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Which rules match the path or a directory above it.
    by_rule: Vec<bool>,
    decided_by: Option<usize>,
    matched: bool,
}

impl Verdict {
    /// Whether the path is matched, exceptions considered.
    pub fn matched(&self) -> bool {
        self.matched
    }

    /// The place in the list of the rule that had the last word.
    pub fn decided_by(&self) -> Option<usize> {
        self.decided_by
    }
}

impl PatternSet {
    /// A list of `patterns`, each cleaned; those that begin with `!` are exceptions.
    ///
    /// # Errors
    /// The place of the first pattern that is malformed, and why it is.
    pub fn new<'a>(patterns: impl IntoIterator<Item = &'a str>) -> Result<Self, (usize, BadPattern)> {
        let mut rules = Vec::new();
        for (index, text) in patterns.into_iter().enumerate() {
            let text = clean(text.trim());
            let (exception, text) = match text.strip_prefix('!') {
                Some("") => return Err((index, BadPattern::Exception)),
                Some(rest) => (true, rest),
                None => (false, text.as_str()),
            };
            let pattern = Pattern::deep(text).map_err(|error| (index, error))?;
            rules.push(Rule { pattern, exception });
        }
        Ok(Self { rules })
    }

    /// Whether the list is empty.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Whether there are exceptions.
    pub fn has_exceptions(&self) -> bool {
        self.rules.iter().any(|rule| rule.exception)
    }

    /// The verdict on the top directory, to start a walk with: it is never matched.
    pub fn top(&self) -> Verdict {
        Verdict { by_rule: vec![false; self.rules.len()], decided_by: None, matched: false }
    }

    /// The verdict on `path`, whose directory got `parent`.
    pub fn judge(&self, parent: &Verdict, path: &str) -> Verdict {
        let mut verdict = self.top();
        for (index, rule) in self.rules.iter().enumerate() {
            let inherited = parent.by_rule[index];
            // A rule that could change nothing is not even tried, and so hands nothing down.
            if !inherited && (rule.exception != verdict.matched || !rule.pattern.matches(path)) {
                continue;
            }
            verdict.by_rule[index] = true;
            if verdict.matched == rule.exception {
                verdict.decided_by = Some(index);
            }
            verdict.matched = !rule.exception;
        }
        verdict
    }

    /// The verdict on `path`, which is relative, found by walking down to it.
    pub fn judge_path(&self, path: &str) -> Verdict {
        let path = clean(path);
        let path = path.trim_start_matches('/');
        if path == "." || path.is_empty() {
            return self.top();
        }
        let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
        ends.fold(self.top(), |parent, end| self.judge(&parent, &path[..end]))
    }

    /// Whether `path` is matched, exceptions considered.
    pub fn matches(&self, path: &str) -> bool {
        self.judge_path(path).matched
    }

    /// Whether an exception may apply to something below `directory`, which is matched itself; a walk need not enter
    /// it otherwise.
    pub fn may_except_below(&self, directory: &str) -> bool {
        let mut exceptions = self.rules.iter().filter(|rule| rule.exception).map(|rule| prefix(rule.pattern.as_str()));
        let below = format!("{directory}/");
        exceptions.any(|exception| {
            exception.contains(['*', '[', ']', '?', '^', '\\']) || format!("{exception}/").starts_with(&below)
        })
    }
}

/// A pattern without the wildcards that end it.
fn prefix(pattern: &str) -> &str {
    let pattern = pattern.strip_suffix("/**").unwrap_or(pattern);
    pattern.strip_suffix("/*").unwrap_or(pattern)
}

#[cfg(test)]
mod tests {
    use super::PatternSet;
    use crate::pattern::BadPattern;

    fn check(patterns: &[&str], matched: &[&str], others: &[&str]) {
        let set = PatternSet::new(patterns.iter().copied()).expect("valid patterns");
        matched.iter().for_each(|path| assert!(set.matches(path), "{patterns:?} {path}"));
        others.iter().for_each(|path| assert!(!set.matches(path), "{patterns:?} {path}"));
    }

    #[test]
    fn lists() {
        check(&["a"], &["a", "a/b", "a/b/c"], &["b", "b/a", "ab"]);
        check(&["*", "!a"], &["b", "b/a"], &["a", "a/b"]);
        check(&["a", "!a/b"], &["a", "a/c"], &["a/b", "a/b/c"]);
        check(&["a", "!a/b", "a/b/c"], &["a/b/c", "a/b/c/d"], &["a/b", "a/b/d"]);
        check(&["!a", "a"], &["a"], &[]);
        check(&["**/*.o", "!keep/**"], &["x.o", "a/x.o"], &["keep/x.o", "keep"]);
        check(&["*", "!**/x"], &["a", "a/b"], &["x", "a/x", "a/b/x"]);
        check(&["./a/", " b/ "], &["a", "b", "b/c"], &["c"]);
        check(&["."], &[], &["a", "."]);
        check(&["a/../b"], &["b"], &["a"]);
    }

    #[test]
    fn an_exception_for_a_directory_above_does_not_reach_below_a_later_match() {
        // A walk sees `a` first, where the exception has nothing to except, and does not hand it down.
        check(&["a/b", "!a"], &["a/b", "a/b/c"], &["a", "a/c"]);
    }

    #[test]
    fn what_decided() {
        let set = PatternSet::new(["a", "!a/b", "a/b/*.c"]).expect("valid patterns");
        assert_eq!(set.judge_path("a/x").decided_by(), Some(0));
        assert_eq!(set.judge_path("a/b/x").decided_by(), Some(1));
        assert_eq!(set.judge_path("a/b/x.c").decided_by(), Some(2));
        assert_eq!(set.judge_path("x").decided_by(), None);
    }

    #[test]
    fn pruning() {
        let set = PatternSet::new(["*", "!a/b/*", "!x/**"]).expect("valid patterns");
        assert!(set.may_except_below("a") && set.may_except_below("a/b") && set.may_except_below("x"));
        assert!(!set.may_except_below("ab") && !set.may_except_below("a/c"));
        let wild = PatternSet::new(["*", "!**/b"]).expect("valid patterns");
        assert!(wild.may_except_below("anything"));
        assert!(!PatternSet::new(["*"]).expect("valid pattern").may_except_below("a"));
    }

    #[test]
    fn malformed_lists() {
        assert_eq!(PatternSet::new(["a", "!"]), Err((1, BadPattern::Exception)));
        assert_eq!(PatternSet::new(["[a"]), Err((0, BadPattern::Class)));
    }
}
