//! `dhow build --check` and `--call`: looks at a Dockerfile and builds nothing.

use dhow_builder::diagnostic::{Diagnostic, Paint};
use dhow_builder::dockerfile::{Dockerfile, parse};
use dhow_builder::lint::{self, Check};
use dhow_builder::outline::{self, Outline, Target};
use dhow_builder::plan::{Bases, Options, Selection};
use dhow_builder::source::SourceFile;
use serde_json::json;

use super::context::Text;
use crate::exit::Exit;
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
    pub(super) fn run(self, text: &Text, options: &Options, paint: Paint) -> anyhow::Result<Exit> {
        let (dockerfile, _) =
            parse(&text.source).into_result().map_err(|found| mistakes(&found, &text.source, paint))?;
        match self.method {
            Method::Check => self.check(text, &dockerfile, (options, paint)),
            Method::Targets => {
                let targets = outline::targets(&dockerfile);
                output::print(&match self.form {
                    Form::Json => format!("{:#}\n", json!({"targets": targets})),
                    Form::Text => targets.iter().map(target_line).collect(),
                })?;
                Ok(Exit::Success)
            }
            Method::Outline => {
                let found =
                    outline::outline(&dockerfile, options).map_err(|found| mistakes(&found, &text.source, paint))?;
                output::print(&match self.form {
                    Form::Json => format!("{:#}\n", json!(found)),
                    Form::Text => outline_text(&found),
                })?;
                Ok(Exit::Success)
            }
        }
    }

    fn check(self, text: &Text, dockerfile: &Dockerfile, (options, paint): (&Options, Paint)) -> anyhow::Result<Exit> {
        let bases = Bases::new();
        // As for docker, no target means all of them.
        let selection = if options.target.is_none() { Selection::All } else { Selection::Needed };
        let options = &Options { selection, ..options.clone() };
        let check = Check { source: &text.source, dockerfile, options, bases: &bases, ignore: text.ignore.as_ref() };
        let report = lint::check(&check).map_err(|found| mistakes(&[*found], &text.source, paint))?;
        let all: Vec<&Diagnostic> = report.errors.iter().chain(&report.findings).collect();
        output::print(&match self.form {
            Form::Json => format!("{:#}\n", json!({"errors": report.errors, "findings": report.findings})),
            Form::Text => {
                let drawn: String = all.iter().map(|finding| finding.render(&text.source, paint) + "\n\n").collect();
                format!("{drawn}{}\n", verdict(all.len()))
            }
        })?;
        Ok(match (report.errors.is_empty(), report.findings.is_empty()) {
            (false, _) => Exit::Dockerfile,
            (true, false) => Exit::Failure,
            (true, true) => Exit::Success,
        })
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

fn mistakes(found: &[Diagnostic], source: &SourceFile, paint: Paint) -> Problem {
    let drawn: Vec<String> = found.iter().map(|finding| finding.render(source, paint)).collect();
    Problem::new(drawn.join("\n\n") + "\n").exit(Exit::Dockerfile)
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
