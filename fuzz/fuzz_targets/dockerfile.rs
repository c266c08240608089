//! The whole way of a Dockerfile's text, short of building it.
#![no_main]

use dhow_builder::diagnostic::Paint;
use dhow_builder::dockerfile::{format, meaning, parse};
use dhow_builder::lint::{Check, check};
use dhow_builder::plan::{Bases, Options, Selection, lower, problems};
use dhow_builder::source::SourceFile;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let source = SourceFile::new("Dockerfile", bytes);
    let parsed = parse(&source);
    for diagnostic in &parsed.diagnostics {
        let _ = diagnostic.render(&source, Paint::Plain);
    }
    let mut options = Options::new("linux/amd64".parse().expect("a platform"));
    options.selection = Selection::All;
    let bases = Bases::new();
    let _ = problems(&source, &parsed, &options, &bases);
    let Ok((dockerfile, _)) = parsed.into_result() else { return };
    let _ = lower(&dockerfile, &options, &bases);
    let subject = Check { source: &source, dockerfile: &dockerfile, options: &options, bases: &bases, ignore: None };
    let _ = check(&subject);
    let once = SourceFile::new("Dockerfile", format(&source).expect("it parses"));
    let after = parse(&once).dockerfile;
    assert_eq!(meaning::of(&dockerfile), meaning::of(&after));
    assert_eq!(format(&once).expect("it parses"), once.text());
});
