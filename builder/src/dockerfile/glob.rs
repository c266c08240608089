//! The wildcards inside `${name#pattern}`, `${name%pattern}` and `${name/pattern/replacement}`: `*`, `?` and `\`.
//!
//! There are no `[classes]`, and no wildcard crosses a line end.

/// One step of a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Many,
    One,
    Exactly(char),
}

/// How much a pattern takes where it has the choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    Shortest,
    Longest,
}

/// A pattern that is ready to be matched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Glob(Vec<Step>);

impl Glob {
    /// Reads a pattern; the error is the character that must not be escaped, `None` at the end.
    pub(crate) fn new(pattern: &str) -> Result<Self, Option<char>> {
        let mut steps = Vec::new();
        let mut chars = pattern.chars().peekable();
        while let Some(c) = chars.next() {
            steps.push(match c {
                '*' => Step::Many,
                '?' => Step::One,
                // These two end the parts of `${…}`, so their escape is not the pattern's.
                '\\' if matches!(chars.peek(), Some('}' | '/')) => continue,
                '\\' => match chars.next() {
                    Some(escaped @ ('*' | '?' | '\\')) => Step::Exactly(escaped),
                    other => return Err(other),
                },
                literal => Step::Exactly(literal),
            });
        }
        Ok(Self(steps))
    }

    /// `value` without its start that matches.
    pub(crate) fn trim_start(&self, value: &str, reach: Reach) -> String {
        let chars: Vec<char> = value.chars().collect();
        match self.end(&chars, reach) {
            Some(end) => chars[end..].iter().collect(),
            None => value.to_owned(),
        }
    }

    /// `value` without its end that matches.
    pub(crate) fn trim_end(&self, value: &str, reach: Reach) -> String {
        let chars: Vec<char> = value.chars().rev().collect();
        let reversed = Self(self.0.iter().rev().copied().collect());
        match reversed.end(&chars, reach) {
            Some(end) => chars[end..].iter().rev().collect(),
            None => value.to_owned(),
        }
    }

    /// `value` with the first match replaced.
    pub(crate) fn replace_first(&self, value: &str, replacement: &str) -> String {
        self.replace(value, replacement, 1)
    }

    /// `value` with every match replaced.
    pub(crate) fn replace_all(&self, value: &str, replacement: &str) -> String {
        self.replace(value, replacement, usize::MAX)
    }

    fn replace(&self, value: &str, replacement: &str, mut left: usize) -> String {
        let chars: Vec<char> = value.chars().collect();
        let mut out = String::new();
        let mut at = 0;
        let mut last_end = None;
        while at <= chars.len() && left > 0 {
            // An empty match directly after a match would be the same place twice.
            let end = self.end(&chars[at..], Reach::Longest).map(|length| at + length);
            match end.filter(|end| *end > at || last_end != Some(at)) {
                Some(end) => {
                    out.push_str(replacement);
                    left -= 1;
                    if end == at {
                        out.extend(chars.get(at));
                    }
                    last_end = Some(end);
                    at = end.max(at + 1);
                }
                None => {
                    out.extend(chars.get(at));
                    at += 1;
                }
            }
        }
        out.extend(chars.get(at..).unwrap_or_default());
        out
    }

    /// Where a match that begins at the start of `chars` ends.
    fn end(&self, chars: &[char], reach: Reach) -> Option<usize> {
        // The places that the steps so far can lead to, in ascending order.
        let mut places = vec![0];
        for step in &self.0 {
            places = match step {
                Step::Many => reachable(&places, chars),
                Step::One => advance(&places, chars, |c| c != '\n'),
                Step::Exactly(wanted) => advance(&places, chars, |c| c == *wanted),
            };
        }
        match reach {
            Reach::Shortest => places.first().copied(),
            Reach::Longest => places.last().copied(),
        }
    }
}

fn advance(places: &[usize], chars: &[char], fits: impl Fn(char) -> bool) -> Vec<usize> {
    places.iter().filter(|at| chars.get(**at).is_some_and(|c| fits(*c))).map(|at| at + 1).collect()
}

fn reachable(places: &[usize], chars: &[char]) -> Vec<usize> {
    let mut all: Vec<usize> = Vec::new();
    for &start in places {
        if all.last().is_some_and(|last| *last >= start) {
            continue;
        }
        let length = chars[start..].iter().take_while(|c| **c != '\n').count();
        all.extend(start..=start + length);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::Glob;
    use super::Reach::{Longest, Shortest};

    fn glob(pattern: &str) -> Glob {
        Glob::new(pattern).expect("valid pattern")
    }

    #[test]
    fn trimming() {
        for (pattern, value, shortest, longest) in [
            ("*x", "xxyy", "xyy", "yy"),
            ("*", "abc", "abc", ""),
            ("a?", "abc", "c", "c"),
            ("", "abc", "abc", "abc"),
            ("b", "abc", "abc", "abc"),
            (r"\*", "*a", "a", "a"),
            ("*a*c", "xacabc", "abc", ""),
        ] {
            assert_eq!(glob(pattern).trim_start(value, Shortest), shortest, "{pattern} {value}");
            assert_eq!(glob(pattern).trim_start(value, Longest), longest, "{pattern} {value}");
        }
        assert_eq!(glob("/*").trim_end("/a/b", Shortest), "/a");
        assert_eq!(glob("/*").trim_end("/a/b", Longest), "");
        assert_eq!(glob(r"\**").trim_end("a***yy", Longest), "a");
    }

    #[test]
    fn replacing() {
        for (pattern, value, first, all) in [
            ("o", "foo", "f.o", "f.."),
            ("", "ab", ".ab", ".a.b."),
            ("a*", "banana", "b.", "b."),
            (r"\/", "/x/", ".x/", ".x."),
            ("?", "ab", ".b", ".."),
        ] {
            assert_eq!(glob(pattern).replace_first(value, "."), first, "{pattern} {value}");
            assert_eq!(glob(pattern).replace_all(value, "."), all, "{pattern} {value}");
        }
    }

    #[test]
    fn only_wildcards_can_be_escaped() {
        assert_eq!(Glob::new(r"a\b"), Err(Some('b')));
        assert_eq!(Glob::new("a\\"), Err(None));
    }
}
