//! Ignore files and what they say of a path: the first line is the path.
#![no_main]

use dhow_builder::ignore::IgnoreRules;
use dhow_builder::pattern::Pattern;
use dhow_builder::source::SourceFile;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let (path, rules) = text.split_once('\n').unwrap_or((text, ""));
    if let Ok(rules) = IgnoreRules::parse(&SourceFile::new(".dockerignore", rules)) {
        assert_eq!(rules.is_ignored(path), rules.explain(path).is_some());
        let _ = rules.may_contain_reincluded(path);
    }
    if let Ok(pattern) = Pattern::wildcard(rules) {
        let _ = pattern.matches(path);
    }
});
