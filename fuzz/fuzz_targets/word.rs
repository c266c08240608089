//! Expansion of words.
#![no_main]

use dhow_builder::dockerfile::env::Env;
use dhow_builder::dockerfile::word::{Escape, Word, expand, expand_heredoc};
use dhow_builder::source::Span;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let env: Env = [("A", "a/b.tar.gz"), ("B", "x y"), ("C", "")].into_iter().collect();
    let word = Word::new(text, Span::default());
    for escape in [Escape::Backslash, Escape::Backtick] {
        let _ = expand(&word, &env, escape);
    }
    let _ = expand_heredoc(text, &env);
});
