//! `--filter KEY=VALUE` of lists. What a key means is the command's. Does no I/O.

/// The filters of one command line. Values of one key are alternatives, except for labels, which must all match.
#[derive(Debug, Default)]
pub(crate) struct Filters(Vec<(String, String)>);

/// A filter that the command does not have.
#[derive(Debug, thiserror::Error, PartialEq)]
pub(crate) enum FilterError {
    /// Not `key=value`.
    #[error("`{0}` is not a filter, expected `KEY=VALUE`")]
    Shape(String),
    /// A key that the command does not know.
    #[error("there is no filter `{key}`, there are {known}")]
    Unknown {
        /// What was typed.
        key: String,
        /// What may be typed.
        known: String,
    },
    /// A value that the key does not take.
    #[error("`{value}` is not a value of the filter `{key}`")]
    Value {
        /// The filter.
        key: String,
        /// What was typed.
        value: String,
    },
}

impl Filters {
    /// Parses the arguments of all `--filter` options against the keys that the command knows.
    ///
    /// # Errors
    /// An argument is not `key=value`, or the key is unknown.
    pub(crate) fn parse(arguments: &[String], known: &[&str]) -> Result<Self, FilterError> {
        let split = |argument: &String| {
            let (key, value) = argument.split_once('=').ok_or_else(|| FilterError::Shape(argument.clone()))?;
            match known.contains(&key) {
                true => Ok((key.to_owned(), value.to_owned())),
                false => Err(FilterError::Unknown { key: key.to_owned(), known: known.join(", ") }),
            }
        };
        arguments.iter().map(split).collect::<Result<_, _>>().map(Self)
    }

    /// The values given for `key`.
    pub(crate) fn values<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(known, _)| known == key).map(|(_, value)| value.as_str())
    }

    /// The last value given for `key`.
    pub(crate) fn value<'a>(&'a self, key: &'a str) -> Option<&'a str> {
        self.values(key).last()
    }

    /// Whether no value of `key` was given, or one satisfies `test`.
    pub(crate) fn any(&self, key: &str, test: impl FnMut(&str) -> bool) -> bool {
        let mut values = self.values(key).peekable();
        values.peek().is_none() || values.any(test)
    }

    /// Whether every `label` filter (`key` or `key=value`) finds its label.
    pub(crate) fn labels<'a>(&self, lookup: impl Fn(&str) -> Option<&'a str>) -> bool {
        self.values("label").all(|wanted| match wanted.split_once('=') {
            Some((key, value)) => lookup(key) == Some(value),
            None => lookup(wanted).is_some(),
        })
    }

    /// The truth given for `key`, if any.
    ///
    /// # Errors
    /// The value is not a truth value.
    pub(crate) fn flag(&self, key: &str) -> Result<Option<bool>, FilterError> {
        match self.value(key) {
            None => Ok(None),
            Some("true" | "1" | "t" | "True" | "TRUE") => Ok(Some(true)),
            Some("false" | "0" | "f" | "False" | "FALSE") => Ok(Some(false)),
            Some(other) => Err(FilterError::Value { key: key.to_owned(), value: other.to_owned() }),
        }
    }
}

/// Whether the whole of `text` matches a shell pattern of `*` and `?`.
pub(crate) fn glob(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(c) if *c == '?' || *c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    p = at + 1;
                    t = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::{FilterError, Filters, glob};

    #[test]
    fn filters_are_checked() {
        let parse = |argument: &str| Filters::parse(&[argument.to_owned()], &["label", "dangling"]);
        assert_eq!(parse("label").unwrap_err(), FilterError::Shape("label".to_owned()));
        assert!(matches!(parse("color=red").unwrap_err(), FilterError::Unknown { .. }));
        assert_eq!(parse("dangling=true").unwrap().flag("dangling"), Ok(Some(true)));
        assert!(parse("dangling=maybe").unwrap().flag("dangling").is_err());
        let labels = |key: &str| (key == "a").then_some("1");
        assert!(parse("label=a").unwrap().labels(labels));
        assert!(parse("label=a=1").unwrap().labels(labels));
        assert!(!parse("label=a=2").unwrap().labels(labels));
    }

    #[test]
    fn globs() {
        for (pattern, text, expected) in [
            ("*", "x", true),
            ("my*", "myapp", true),
            ("*:1.?", "a:1.2", true),
            ("a", "ab", false),
            ("a*b*c", "aXbYc", true),
        ] {
            assert_eq!(glob(pattern, text), expected, "{pattern} {text}");
        }
    }
}
