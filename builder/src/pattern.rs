//! Patterns of paths: Go's `filepath.Match` for the sources of `COPY` and `ADD`, and the same with `**` for ignore
//! files, `--exclude` and `--parents` (the rules of moby's `patternmatcher`).
//!
//! Paths are relative, clean and separated by `/`. Nothing here looks at a file system.

/// Why a text is no pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadPattern {
    /// `[` without `]`, or nothing between them.
    #[error("a `[` class is not closed or is empty")]
    Class,
    /// `[z-a]`, `[a-]`, `[-a]`.
    #[error("a range in a `[` class lacks an end or runs backwards")]
    Range,
    /// `\` at the end.
    #[error("a `\\` at the end escapes nothing")]
    Escape,
    /// `!` with nothing after it.
    #[error("a lone `!` excepts nothing")]
    Exception,
}

/// One step of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Exactly(char),
    /// `?`
    One,
    /// `*`: any number of characters of one component.
    Many,
    /// `[…]`
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
    /// Goes on with the next step or with the one after it.
    Either,
    /// Anything up to a `/`, any number of times: the body of `**/`.
    Components,
    /// Anything at all: `**` at the end.
    Anything,
}

/// A pattern that is ready to be matched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    matcher: Matcher,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Matcher {
    /// The path is the text.
    Exact,
    /// The path begins with this.
    Prefix(String),
    /// The path ends with this, or is this without its leading `/`.
    Suffix(String),
    Steps(Vec<Step>),
}

impl Pattern {
    /// A pattern in which `*` never crosses a `/` and `**` is nothing special: the sources of `COPY` and `ADD`.
    ///
    /// # Errors
    /// The text is malformed.
    pub fn wildcard(text: &str) -> Result<Self, BadPattern> {
        let steps = steps(text, Depth::Flat)?;
        Ok(Self { text: text.to_owned(), matcher: Matcher::Steps(steps) })
    }

    /// A pattern in which `**` is any number of components: ignore files, `--exclude`, `--parents`.
    ///
    /// # Errors
    /// The text is malformed.
    pub fn deep(text: &str) -> Result<Self, BadPattern> {
        let steps = steps(text, Depth::Deep)?;
        let special = |text: &str| text.contains(['*', '?', '[', ']', '\\']);
        // These three are the reference's own shortcuts. The second matters: `**x` ends any name, `**x*` does not.
        let matcher = if !special(text) {
            Matcher::Exact
        } else if let Some(suffix) = text.strip_prefix("**").filter(|rest| !special(rest)) {
            Matcher::Suffix(suffix.to_owned())
        } else if let Some(prefix) = text.strip_suffix("**").filter(|rest| !special(rest)) {
            Matcher::Prefix(prefix.to_owned())
        } else {
            Matcher::Steps(steps)
        };
        Ok(Self { text: text.to_owned(), matcher })
    }

    /// The text that it was made of.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the whole of `path` matches.
    pub fn matches(&self, path: &str) -> bool {
        match &self.matcher {
            Matcher::Exact => path == self.text,
            Matcher::Prefix(prefix) => path.starts_with(prefix),
            Matcher::Suffix(suffix) => path.ends_with(suffix) || suffix.strip_prefix('/') == Some(path),
            Matcher::Steps(steps) => run(steps, path),
        }
    }
}

/// Whether `text` has a `*`, `?` or `[` that is not escaped, so that it may stand for several paths or for none.
pub fn has_wildcard(text: &str) -> bool {
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '*' | '?' | '[' => return true,
            '\\' => drop(chars.next()),
            _ => {}
        }
    }
    false
}

/// Whether `**` crosses components.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Depth {
    Flat,
    Deep,
}

fn steps(text: &str, depth: Depth) -> Result<Vec<Step>, BadPattern> {
    let mut steps = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '*' if depth == Depth::Deep && chars.next_if_eq(&'*').is_some() => {
                chars.next_if_eq(&'/');
                match chars.peek() {
                    None => steps.push(Step::Anything),
                    Some(_) => steps.extend([Step::Either, Step::Components]),
                }
            }
            '*' => steps.push(Step::Many),
            '?' => steps.push(Step::One),
            '[' => steps.push(class(&mut chars)?),
            '\\' => steps.push(Step::Exactly(chars.next().ok_or(BadPattern::Escape)?)),
            c => steps.push(Step::Exactly(c)),
        }
    }
    Ok(steps)
}

type Chars<'a> = std::iter::Peekable<std::str::Chars<'a>>;

fn class(chars: &mut Chars<'_>) -> Result<Step, BadPattern> {
    let negated = chars.next_if_eq(&'^').is_some();
    let mut ranges = Vec::new();
    while ranges.is_empty() || chars.next_if_eq(&']').is_none() {
        let low = class_char(chars)?;
        let high = if chars.next_if_eq(&'-').is_some() { class_char(chars)? } else { low };
        if low > high {
            return Err(BadPattern::Range);
        }
        ranges.push((low, high));
    }
    Ok(Step::Class { negated, ranges })
}

fn class_char(chars: &mut Chars<'_>) -> Result<char, BadPattern> {
    match chars.next() {
        None | Some(']') => Err(BadPattern::Class),
        Some('-') => Err(BadPattern::Range),
        Some('\\') => chars.next().ok_or(BadPattern::Escape),
        Some(c) => Ok(c),
    }
}

/// Follows all ways through the steps at once, so that no pattern takes more than steps times characters.
fn run(steps: &[Step], path: &str) -> bool {
    let mut now = vec![false; steps.len() + 1];
    enter(steps, 0, &mut now);
    let mut next = vec![false; steps.len() + 1];
    for c in path.chars() {
        next.fill(false);
        for at in (0..steps.len()).filter(|at| now[*at]) {
            match &steps[at] {
                Step::Exactly(wanted) if *wanted == c => enter(steps, at + 1, &mut next),
                Step::One if c != '/' => enter(steps, at + 1, &mut next),
                Step::Many if c != '/' => enter(steps, at, &mut next),
                Step::Anything => enter(steps, at, &mut next),
                Step::Components => {
                    enter(steps, at, &mut next);
                    if c == '/' {
                        enter(steps, at + 1, &mut next);
                    }
                }
                Step::Class { negated, ranges }
                    if ranges.iter().any(|(low, high)| (*low..=*high).contains(&c)) != *negated =>
                {
                    enter(steps, at + 1, &mut next);
                }
                _ => {}
            }
        }
        std::mem::swap(&mut now, &mut next);
    }
    now[steps.len()]
}

/// Marks step `at`, and those that can be reached from it without a character.
fn enter(steps: &[Step], at: usize, marks: &mut [bool]) {
    if std::mem::replace(&mut marks[at], true) {
        return;
    }
    match steps.get(at) {
        Some(Step::Many | Step::Anything) => enter(steps, at + 1, marks),
        Some(Step::Either) => {
            enter(steps, at + 1, marks);
            enter(steps, at + 2, marks);
        }
        _ => {}
    }
}

/// Go's `path.Clean`: no empty components, no `.`, no `..` but at the start, no `/` at the end.
pub(crate) fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => drop(parts.pop()),
            ".." if rooted => {}
            part => parts.push(part),
        }
    }
    match (rooted, parts.is_empty()) {
        (true, _) => format!("/{}", parts.join("/")),
        (false, true) => ".".to_owned(),
        (false, false) => parts.join("/"),
    }
}

#[cfg(test)]
mod tests {
    use super::{BadPattern, Pattern, clean, has_wildcard};

    fn check(pattern: &str, matching: &[&str], others: &[&str]) {
        let pattern = Pattern::deep(pattern).expect("valid pattern");
        matching.iter().for_each(|path| assert!(pattern.matches(path), "{pattern:?} {path}"));
        others.iter().for_each(|path| assert!(!pattern.matches(path), "{pattern:?} {path}"));
    }

    #[test]
    fn deep_patterns() {
        check("a", &["a"], &["a/b", "b", "b/a"]);
        check("*.md", &["x.md", ".md"], &["a/x.md", "x.mdx", "xamd"]);
        check("a/?", &["a/b", "a/é"], &["a/bc", "a//", "a"]);
        check("**/foo", &["foo", "a/foo", "a/b/foo"], &["foo/a", "xfoo", "a/xfoo"]);
        check("**foo", &["foo", "xfoo", "a/xfoo"], &["foo/a"]);
        check("**", &["a", "a/b"], &[]);
        check("a/**", &["a/b", "a/b/c", "a/"], &["a", "ab"]);
        check("a**", &["a", "ab", "a/b"], &["b"]);
        check("a/**/z", &["a/z", "a/b/z", "a/b/c/z"], &["a/bz", "az"]);
        check("**/*.go", &["x.go", "a/x.go"], &["x.g", "a/go"]);
        check("**/a/*", &["a/b", "x/a/b"], &["xa/b", "a/b/c"]);
        check("[a-c]x[^0-9]", &["axy", "cx/"], &["dxy", "ax1"]);
        check(r"\*a[\]x]", &["*a]", "*ax"], &["ba]", "*ay"]);
        check("a.b+(c)|{d}$^", &["a.b+(c)|{d}$^"], &["axb"]);
        check("a]", &["a]"], &["a"]);
        check("", &[""], &["a"]);
    }

    #[test]
    fn flat_patterns() {
        let pattern = Pattern::wildcard("a/**/c*").expect("valid pattern");
        assert!(pattern.matches("a/b/cd"));
        assert!(!pattern.matches("a/b/b/c"));
        assert!(!pattern.matches("a/c"));
    }

    #[test]
    fn malformed_patterns() {
        for (text, expected) in [
            ("[", BadPattern::Class),
            ("[]", BadPattern::Class),
            ("[]a]", BadPattern::Class),
            ("[a", BadPattern::Class),
            ("[^]", BadPattern::Class),
            ("[-a]", BadPattern::Range),
            ("[a-]", BadPattern::Class),
            ("[z-a]", BadPattern::Range),
            ("a\\", BadPattern::Escape),
        ] {
            assert_eq!(Pattern::deep(text), Err(expected), "{text}");
            assert_eq!(Pattern::wildcard(text), Err(expected), "{text}");
        }
    }

    #[test]
    fn many_stars_take_no_time() {
        let pattern = Pattern::deep(&format!("{}z", "*a".repeat(40))).expect("valid pattern");
        assert!(!pattern.matches(&"a".repeat(4000)));
    }

    #[test]
    fn cleaning() {
        for (path, expected) in [
            ("", "."),
            ("./a/", "a"),
            ("a//b/./c", "a/b/c"),
            ("a/../b", "b"),
            ("../a/../..", "../.."),
            ("/../a", "/a"),
            ("/", "/"),
            ("a/..", "."),
        ] {
            assert_eq!(clean(path), expected, "{path}");
        }
        assert!(has_wildcard("a*") && has_wildcard("[") && !has_wildcard(r"a\*") && !has_wildcard("a"));
    }
}
