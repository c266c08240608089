//! What is wrong with the Dockerfile as annotations that GitHub shows beside its lines.

use dhow_builder::diagnostic::Diagnostic;
use dhow_builder::source::SourceFile;

use super::{Findings, repository};
use crate::environment::Environment;
use crate::output;
use crate::ui::{Ci, escaped};

/// Writes an annotation for each finding, where the CI service has such.
pub(crate) fn annotate(environment: &Environment, findings: &Findings<'_>) {
    if Ci::of(environment) == Some(Ci::GitHub) {
        let file = repository::from_top(findings.source.name(), environment);
        findings.found.iter().for_each(|finding| output::say(&line(&file, findings.source, finding)));
    }
}

fn line(file: &str, dockerfile: &SourceFile, finding: &Diagnostic) -> String {
    let level = if finding.is_error() { "error" } else { "warning" };
    let (start, end) = dockerfile.lines(finding.primary.span);
    let hint = finding.hint.as_ref().map(|hint| format!("\nhint: {hint}")).unwrap_or_default();
    let property = |text: &str| escaped(text).replace(':', "%3A").replace(',', "%2C");
    let (file, title) = (property(file), property(finding.code));
    let message = escaped(&format!("{}{hint}", finding.message));
    format!("::{level} file={file},line={start},endLine={end},title={title}::{message}")
}

#[cfg(test)]
mod tests {
    use super::line;
    use dhow_builder::diagnostic::Diagnostic;
    use dhow_builder::source::{SourceFile, Span};

    #[test]
    fn a_finding_has_its_file_and_line() {
        let dockerfile = SourceFile::new("a,b/Dockerfile", "FROM x\nRUN y\n");
        let finding = Diagnostic::error("build", Span::new(7, 10), "50% failed").hint("do z");
        let expected = "::error file=a%2Cb/Dockerfile,line=2,endLine=2,title=build::50%25 failed%0Ahint: do z";
        assert_eq!(line(dockerfile.name(), &dockerfile, &finding), expected);
    }
}
