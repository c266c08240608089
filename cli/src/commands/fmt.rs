//! `dhow fmt` and `dhow parse`: Dockerfiles written in one way, and as JSON (docs/dockerfile-json.md).

use std::fs;
use std::io::{self, Read};
use std::path::Path;

use anyhow::Context;
use dhow_builder::diagnostic::{Diagnostic, Paint};
use dhow_builder::dockerfile;
use dhow_builder::source::SourceFile;

use crate::args::{FmtArgs, ParseArgs};
use crate::exit::Exit;
use crate::output;
use crate::problem::Problem;

/// `dhow fmt`
pub(crate) fn fmt(args: &FmtArgs) -> anyhow::Result<Exit> {
    let mut exit = Exit::Success;
    for path in &args.files {
        let source = read(path)?;
        let text = dockerfile::format(&source).map_err(|found| mistakes(&found, &source))?;
        if path == Path::new("-") {
            output::print(&text)?;
        } else if text == source.text() {
            continue;
        } else if args.check {
            output::println(&format!("{} would be formatted", path.display()))?;
            exit = Exit::Failure;
        } else {
            fs::write(path, text).with_context(|| format!("cannot write `{}`", path.display()))?;
        }
    }
    Ok(exit)
}

/// `dhow parse`
pub(crate) fn parse(args: &ParseArgs) -> anyhow::Result<Exit> {
    let source = read(&args.file)?;
    let (tree, _) = dockerfile::parse(&source).into_result().map_err(|found| mistakes(&found, &source))?;
    output::println(&serde_json::to_string_pretty(&tree)?)?;
    Ok(Exit::Success)
}

/// `-` is standard input.
fn read(path: &Path) -> anyhow::Result<SourceFile> {
    if path == Path::new("-") {
        let mut bytes = Vec::new();
        io::stdin().read_to_end(&mut bytes).context("cannot read standard input")?;
        return Ok(SourceFile::new("standard input", bytes));
    }
    let bytes = fs::read(path).with_context(|| format!("cannot read `{}`", path.display()))?;
    Ok(SourceFile::new(path.display().to_string(), bytes))
}

fn mistakes(found: &[Diagnostic], source: &SourceFile) -> Problem {
    let drawn: Vec<String> = found.iter().map(|finding| finding.render(source, Paint::Plain)).collect();
    Problem::new(drawn.join("\n\n") + "\n").exit(Exit::Dockerfile)
}
