//! How long a Dockerfile of 2,000 lines takes: parsing, planning, checking, formatting. The aim for the first two
//! together is under 10 ms.
#![allow(missing_docs, reason = "criterion's macro makes a public function")]

use std::fmt::Write as _;

use criterion::Criterion;
use dhow_builder::dockerfile::{format, parse};
use dhow_builder::lint::{Check, check};
use dhow_builder::plan::{Bases, Options, Selection, lower};
use dhow_builder::source::SourceFile;

/// Twenty stages of a hundred lines with a bit of everything.
fn dockerfile() -> String {
    let mut text = String::from("# syntax=docker/dockerfile:1\nARG VERSION=1\n");
    for stage in 0..20 {
        writeln!(text, "FROM base:${{VERSION}} AS s{stage}\nARG VERSION").expect("text");
        for line in 0..8 {
            writeln!(text, "ENV A{line}=\"x ${{VERSION}}\" B{line}=$A{line} \\\n    C{line}='y'").expect("text");
            writeln!(
                text,
                "# comment\nRUN --mount=type=cache,target=/c{line} a && \\\n    b \"$A{line}\" && \\\n    c"
            )
            .expect("text");
            writeln!(text, "COPY --chown=1:2 a{line} b{line} /d{line}/\nLABEL l{line}=$B{line}").expect("text");
            writeln!(text, "RUN <<EOF\nset -e\necho {line}\nEOF").expect("text");
        }
        writeln!(text, "WORKDIR /w{stage}\nCMD [\"a\", \"b\"]").expect("text");
    }
    text
}

fn benches(criterion: &mut Criterion) {
    let source = SourceFile::new("Dockerfile", dockerfile());
    let mut options = Options::new("linux/amd64".parse().expect("a platform"));
    options.selection = Selection::All;
    let bases = Bases::new();
    let (tree, _) = parse(&source).into_result().expect("it parses");
    let lines = source.text().lines().count();
    criterion.bench_function(&format!("parse {lines} lines"), |bencher| bencher.iter(|| parse(&source)));
    criterion.bench_function("plan", |bencher| bencher.iter(|| lower(&tree, &options, &bases).expect("it lowers")));
    let subject = Check { source: &source, dockerfile: &tree, options: &options, bases: &bases, ignore: None };
    criterion.bench_function("check", |bencher| bencher.iter(|| check(&subject).expect("valid switches")));
    criterion.bench_function("format", |bencher| bencher.iter(|| format(&source).expect("it parses")));
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    benches(&mut criterion);
    criterion.final_summary();
}
