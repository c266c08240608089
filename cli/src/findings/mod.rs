//! What is found in Dockerfiles, told to people and to programs (docs/diagnostics.md).

mod annotate;
mod code_quality;
mod docker;
mod json;
mod repository;
mod sarif;

use dhow_builder::diagnostic::{Diagnostic, Paint};
use dhow_builder::source::SourceFile;

use crate::args::FindingsFormat;
use crate::environment::Environment;
use crate::exit::Exit;
use crate::output;
use crate::problem::Problem;

pub(crate) use annotate::annotate;
pub(crate) use docker::docker;

/// What was found in one file.
pub(crate) struct Findings<'a> {
    /// The file.
    pub(crate) source: &'a SourceFile,
    /// In the order in which it is told.
    pub(crate) found: &'a [Diagnostic],
}

impl Findings<'_> {
    /// Each of them drawn with the lines that it is about, and an empty line after it.
    pub(crate) fn draw(&self, paint: Paint) -> String {
        self.found.iter().map(|found| found.render(self.source, paint) + "\n\n").collect()
    }
}

/// One document about all files; `None` for text, which is drawn.
pub(crate) fn document(tell: Tell<'_>, files: &[Findings<'_>]) -> Option<String> {
    let value = match tell.format {
        FindingsFormat::Text => return None,
        FindingsFormat::Json => json::document(files),
        FindingsFormat::Sarif => sarif::document(files, tell.environment),
        FindingsFormat::GitlabCodequality => code_quality::document(files, tell.environment),
    };
    Some(format!("{value:#}\n"))
}

/// How findings are told.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tell<'a> {
    /// To whom.
    pub(crate) format: FindingsFormat,
    /// How text is drawn.
    pub(crate) paint: Paint,
    /// What says where the repository is.
    pub(crate) environment: &'a Environment,
}

/// Ends a command that mistakes in a file stop: as an error for people, as a document for programs.
pub(crate) fn stop(tell: Tell<'_>, findings: &Findings<'_>) -> anyhow::Result<Exit> {
    match document(tell, std::slice::from_ref(findings)) {
        Some(document) => {
            output::print(&document)?;
            Ok(Exit::Dockerfile)
        }
        None => {
            let drawn = findings.draw(tell.paint).trim_end().to_owned() + "\n";
            Err(Problem::new(drawn).exit(Exit::Dockerfile).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Environment, Findings, Paint, Tell, docker, document};
    use crate::args::FindingsFormat;
    use dhow_builder::diagnostic::Diagnostic;
    use dhow_builder::source::{SourceFile, Span};
    use serde_json::{Value, json};

    fn told(format: FindingsFormat) -> Value {
        let source = SourceFile::new("a b/Dockerfile", "FROM a\nENV é=1 \\\n  b=$c\n");
        let found = [
            Diagnostic::error("unknown-flag", Span::new(0, 4), "no such flag").hint("leave it out"),
            Diagnostic::warning("UndefinedVar", Span::new(22, 24), "`$c` is not set")
                .of(Span::new(7, 24))
                .also(Span::new(0, 6), "this stage"),
        ];
        let files = [Findings { source: &source, found: &found }];
        let (paint, environment) = (Paint::Plain, &Environment::from([]));
        let tell = Tell { format, paint, environment };
        serde_json::from_str(&document(tell, &files).expect("a document")).expect("JSON")
    }

    #[test]
    fn json_has_places_as_people_count_them() {
        let found = &told(FindingsFormat::Json)["diagnostics"];
        assert_eq!(found[0]["code"], "unknown-flag");
        assert_eq!((&found[0]["hint"], &found[0]["url"]), (&json!("leave it out"), &Value::Null));
        assert_eq!((&found[1]["line"], &found[1]["file"]), (&json!(2), &json!("a b/Dockerfile")));
        assert_eq!(found[1]["start"], json!({"line": 3, "column": 5, "offset": 22}));
        assert_eq!(found[1]["related"][0]["message"], "this stage");
    }

    #[test]
    fn sarif_has_what_code_scanning_asks_for() {
        let sarif = told(FindingsFormat::Sarif);
        assert_eq!(sarif["version"], "2.1.0");
        let run = &sarif["runs"][0];
        assert_eq!(run["tool"]["driver"]["name"], "dhow");
        let results = run["results"].as_array().expect("results");
        for result in results {
            let index = result["ruleIndex"].as_u64().and_then(|index| usize::try_from(index).ok()).expect("an index");
            assert_eq!(run["tool"]["driver"]["rules"][index]["id"], result["ruleId"]);
        }
        let place = &results[1]["locations"][0]["physicalLocation"];
        assert_eq!(place["artifactLocation"]["uri"], "a%20b/Dockerfile");
        assert_eq!((&place["region"]["startLine"], &place["region"]["endColumn"]), (&json!(3), &json!(7)));
        assert_eq!((&results[0]["level"], &results[1]["level"]), (&json!("error"), &json!("warning")));
    }

    #[test]
    fn dockers_own_json() {
        let source = SourceFile::new("Dockerfile", "FROM a\nENV b c\n");
        let found = [Diagnostic::warning("LegacyKeyValueFormat", Span::new(11, 14), "no `=`").of(Span::new(7, 14))];
        let told = docker(&Findings { source: &source, found: &found });
        assert_eq!(told["warnings"][0]["ruleName"], "LegacyKeyValueFormat");
        assert_eq!(told["warnings"][0]["location"]["ranges"], json!([{"start": {"line": 2}, "end": {"line": 2}}]));
        assert_eq!(told["sources"][0]["data"], "RlJPTSBhCkVOViBiIGMK");
        assert_eq!(told.get("buildError"), None);
    }
}
