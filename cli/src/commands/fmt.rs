//! `dhow fmt` and `dhow parse`: Dockerfiles written in one way, and as JSON (docs/dockerfile-json.md).

use std::fs;
use std::io::{self, Read};
use std::path::Path;

use anyhow::Context;
use dhow_builder::diagnostic::{Diagnostic, Paint};
use dhow_builder::dockerfile;
use dhow_builder::source::{SourceFile, Span};

use crate::app::App;
use crate::args::{FindingsFormat, FmtArgs, ParseArgs};
use crate::exit::Exit;
use crate::findings::{self, Findings, Tell};
use crate::output;
use crate::problem::Problem;

/// `dhow fmt`
pub(crate) fn fmt(app: &App, args: &FmtArgs) -> anyhow::Result<Exit> {
    if args.format != FindingsFormat::Text && !args.check && args.files.iter().any(|path| path == Path::new("-")) {
        let problem = Problem::usage("standard output cannot have both the formatted file and what is found in it");
        return Err(problem.hint("add `--check`, or name a file").into());
    }
    let mut wrong = Vec::new();
    let mut others = Vec::new();
    for path in &args.files {
        let source = read(path)?;
        match dockerfile::format(&source) {
            Err(found) => wrong.push((source, found)),
            Ok(text) if args.check && text == source.text() => {}
            Ok(text) if args.check => {
                let finding = unformatted(&source, &text);
                others.push((source, vec![finding]));
            }
            Ok(text) if path == Path::new("-") => output::print(&text)?,
            Ok(text) if text == source.text() => {}
            Ok(text) => fs::write(path, text).with_context(|| format!("cannot write `{}`", path.display()))?,
        }
    }
    let tell = Tell { format: args.format, paint: Paint::Plain, environment: &app.environment };
    tell_all(tell, &wrong, &others)
}

/// A file and what was found in it.
type Found = (SourceFile, Vec<Diagnostic>);

fn tell_all(tell: Tell<'_>, wrong: &[Found], others: &[Found]) -> anyhow::Result<Exit> {
    let exit = match (wrong.is_empty(), others.is_empty()) {
        (false, _) => Exit::Dockerfile,
        (true, false) => Exit::Failure,
        (true, true) => Exit::Success,
    };
    let all = wrong.iter().chain(others).map(|(source, found)| Findings { source, found }).collect::<Vec<_>>();
    all.iter().for_each(|findings| findings::annotate(tell.environment, findings));
    if let Some(document) = findings::document(tell, &all) {
        output::print(&document)?;
        return Ok(exit);
    }
    for (source, _) in others {
        output::println(&format!("{} would be formatted", source.name()))?;
    }
    if wrong.is_empty() {
        return Ok(exit);
    }
    let drawn: String = wrong.iter().map(|(source, found)| Findings { source, found }.draw(Paint::Plain)).collect();
    Err(Problem::new(drawn.trim_end().to_owned() + "\n").exit(exit).into())
}

/// The first line that would change.
fn unformatted(source: &SourceFile, text: &str) -> Diagnostic {
    let lines = source.text().split_inclusive('\n').zip(text.split_inclusive('\n'));
    let start: usize = lines.take_while(|(old, new)| old == new).map(|(old, _)| old.len()).sum();
    let length = source.text()[start..].lines().next().map_or(0, str::len);
    let message = "the file is not written as `dhow fmt` writes it, from this line on";
    Diagnostic::warning("not-formatted", Span::new(start, start + length), message)
        .hint(format!("run `dhow fmt {}`", source.name()))
}

/// `dhow parse`
pub(crate) fn parse(app: &App, args: &ParseArgs) -> anyhow::Result<Exit> {
    let source = read(&args.file)?;
    match dockerfile::parse(&source).into_result() {
        Ok((tree, _)) => {
            output::println(&serde_json::to_string_pretty(&tree)?)?;
            Ok(Exit::Success)
        }
        Err(found) => {
            let tell = Tell { format: args.format, paint: Paint::Plain, environment: &app.environment };
            findings::stop(tell, &Findings { source: &source, found: &found })
        }
    }
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
