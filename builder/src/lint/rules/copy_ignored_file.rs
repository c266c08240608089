//! `CopyIgnoredFile`: nothing is copied that the ignore file leaves out.

use crate::ignore::IgnoreRules;
use crate::lint::rule::{Finding, Rule, Standing, Subject};
use crate::pattern::clean;
use crate::plan::observation::Fact;

/// The rule.
pub(crate) const RULE: Rule = Rule {
    name: "CopyIgnoredFile",
    summary: "nothing is copied that the ignore file leaves out",
    standing: Standing::On,
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Finding> {
    // With exceptions, what lies in an ignored directory may well be there.
    let Some(ignore) = subject.check.ignore.filter(|ignore| !ignore.has_exceptions()) else { return Vec::new() };
    subject.facts(|fact| match fact {
        Fact::ContextSource { keyword, path } => {
            let path = clean(path);
            let (line, pattern) = match path.trim_start_matches('/') {
                "." | "" => everything(ignore)?,
                path => ignore.explain(path)?,
            };
            Some(format!("`{keyword}` cannot see `{path}`: line {line} of the ignore file, `{pattern}`, leaves it out"))
        }
        _ => None,
    })
}

/// The line that leaves out all there is.
fn everything(ignore: &IgnoreRules) -> Option<(usize, &str)> {
    ["*", "**", "**/*"].into_iter().find(|all| ignore.patterns().any(|pattern| pattern == *all))?;
    ignore.explain("any")
}
