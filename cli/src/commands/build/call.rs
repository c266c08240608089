//! `dhow build --check` and `--call`: looks at a Dockerfile and builds nothing.

use dhow_builder::diagnostic::Diagnostic;
use dhow_builder::dockerfile::{Parsed, parse};
use dhow_builder::lint::{self, Check};
use dhow_builder::outline::{self, Outline, Target};
use dhow_builder::plan::{Bases, Options, Selection, problems};
use serde_json::json;

use super::context::Text;
use crate::exit::Exit;
use crate::findings::{self, Findings, Tell};
use crate::output;
use crate::problem::Problem;

/// What is wanted to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Method {
    Check,
    Outline,
    Targets,
}

/// How it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Text,
    Json,
}

/// A call as it was typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Call {
    method: Method,
    form: Form,
}

impl Call {
    /// `METHOD[,format=text|json]`; none for `build`.
    ///
    /// # Errors
    /// It is none that there is.
    pub(super) fn parse(text: &str) -> Result<Option<Self>, Problem> {
        let mut fields = text.split(',');
        let method = match fields.next() {
            Some("build") => return Ok(None),
            Some("check" | "lint") => Method::Check,
            Some("outline") => Method::Outline,
            Some("targets") => Method::Targets,
            other => {
                return Err(Problem::usage(format!("there is nothing to call by the name `{}`", other.unwrap_or("")))
                    .hint("there are `check`, `outline`, `targets` and `build`"));
            }
        };
        let mut form = Form::Text;
        for field in fields {
            form = match field {
                "format=text" => Form::Text,
                "format=json" => Form::Json,
                other => return Err(Problem::usage(format!("`{other}` is not an option of `--call`"))),
            };
        }
        Ok(Some(Self { method, form }))
    }

    /// Prints what was asked for.
    ///
    /// # Errors
    /// The Dockerfile has mistakes.
    pub(super) fn run(self, text: &Text, options: &Options, tell: Tell<'_>) -> anyhow::Result<Exit> {
        let (source, parsed) = (&text.source, parse(&text.source));
        if self.method == Method::Check {
            return self.check(text, &parsed, (options, tell));
        }
        let stop = |found: &[Diagnostic]| findings::stop(tell, &Findings { source, found });
        if parsed.has_errors() {
            return stop(&problems(source, &parsed, options, &Bases::new()));
        }
        if self.method == Method::Targets {
            let targets = outline::targets(&parsed.dockerfile);
            output::print(&match self.form {
                Form::Json => format!("{:#}\n", json!({"targets": targets})),
                Form::Text => targets.iter().map(target_line).collect(),
            })?;
            return Ok(Exit::Success);
        }
        match outline::outline(&parsed.dockerfile, options) {
            Err(found) => stop(&found),
            Ok(found) => {
                output::print(&match self.form {
                    Form::Json => format!("{:#}\n", json!(found)),
                    Form::Text => outline_text(&found),
                })?;
                Ok(Exit::Success)
            }
        }
    }

    fn check(self, text: &Text, parsed: &Parsed, (options, tell): (&Options, Tell<'_>)) -> anyhow::Result<Exit> {
        let (source, bases) = (&text.source, Bases::new());
        // As for docker, no target means all of them.
        let selection = if options.target.is_none() { Selection::All } else { Selection::Needed };
        let options = &Options { selection, ..options.clone() };
        let dockerfile = &parsed.dockerfile;
        let mut found = problems(source, parsed, options, &bases);
        let checked = lint::check(&Check { source, dockerfile, options, bases: &bases, ignore: text.ignore.as_ref() });
        let report = checked.map_err(|error| found.push(*error)).ok();
        let exit = match (found.is_empty(), report.as_ref().is_some_and(|report| !report.findings.is_empty())) {
            (false, _) => Exit::Dockerfile,
            (true, true) => Exit::Failure,
            (true, false) => Exit::Success,
        };
        found.extend(report.into_iter().flat_map(|report| report.remarks.into_iter().chain(report.findings)));
        let findings = Findings { source, found: &found };
        findings::annotate(tell.environment, &findings);
        let document = match self.form {
            Form::Json => Some(format!("{:#}\n", findings::docker(&findings))),
            Form::Text => findings::document(tell, std::slice::from_ref(&findings)),
        };
        let drawn = || format!("{}{}\n", findings.draw(tell.paint), verdict(found.len()));
        output::print(&document.unwrap_or_else(drawn))?;
        Ok(exit)
    }
}

/// Docker's words.
fn verdict(count: usize) -> String {
    match count {
        0 => "Check complete, no warnings found.".to_owned(),
        1 => "Check complete, 1 warning has been found!".to_owned(),
        _ => format!("Check complete, {count} warnings have been found!"),
    }
}

fn target_line(target: &Target) -> String {
    let name = target.name.as_deref().unwrap_or("(unnamed)");
    let default = if target.default { " (default)" } else { "" };
    let description = target.description.as_ref().map(|text| format!("  {text}")).unwrap_or_default();
    format!("{name}{default}  FROM {}{description}\n", target.base)
}

fn outline_text(outline: &Outline) -> String {
    let mut text = format!("TARGET: {}\n", outline.target.name.as_deref().unwrap_or("default"));
    if !outline.args.is_empty() {
        text += "\nBUILD ARGS:\n";
    }
    for arg in &outline.args {
        let value = arg.value.as_ref().map(|value| format!("={value}")).unwrap_or_default();
        let description = arg.description.as_ref().map(|text| format!("  {text}")).unwrap_or_default();
        text += &format!("{}{value}{description}\n", arg.name);
    }
    for (title, mounts) in [("SECRETS", &outline.secrets), ("SSH", &outline.ssh)] {
        if !mounts.is_empty() {
            text += &format!("\n{title}:\n");
        }
        for mount in mounts {
            text += &format!("{}{}\n", mount.name, if mount.required { " (required)" } else { "" });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{Call, Form, Method};

    #[test]
    fn calls() {
        for (text, expected) in [
            ("check", Ok(Some(Call { method: Method::Check, form: Form::Text }))),
            ("lint,format=json", Ok(Some(Call { method: Method::Check, form: Form::Json }))),
            ("targets", Ok(Some(Call { method: Method::Targets, form: Form::Text }))),
            ("build", Ok(None)),
            ("frob", Err(())),
            ("outline,format=xml", Err(())),
        ] {
            assert_eq!(Call::parse(text).map_err(drop), expected, "{text}");
        }
    }
}
