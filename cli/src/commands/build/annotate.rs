//! What is wrong with the Dockerfile as annotations that GitHub shows beside its lines.

use dhow_builder::diagnostic::Diagnostic;
use dhow_builder::source::SourceFile;

use crate::output;
use crate::ui::{Ci, escaped};

/// Writes an annotation for each finding, where the CI service has such.
pub(super) fn annotate(ci: Option<Ci>, dockerfile: &SourceFile, findings: &[Diagnostic]) {
    if ci == Some(Ci::GitHub) {
        findings.iter().for_each(|finding| output::say(&line(dockerfile, finding)));
    }
}

fn line(dockerfile: &SourceFile, finding: &Diagnostic) -> String {
    let level = if finding.is_error() { "error" } else { "warning" };
    let number = dockerfile.line(finding.primary.span.start);
    let hint = finding.hint.as_ref().map(|hint| format!("\nhint: {hint}")).unwrap_or_default();
    let property = |text: &str| escaped(text).replace(':', "%3A").replace(',', "%2C");
    let (file, title) = (property(dockerfile.name()), property(finding.code));
    format!("::{level} file={file},line={number},title={title}::{}", escaped(&format!("{}{hint}", finding.message)))
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
        let expected = "::error file=a%2Cb/Dockerfile,line=2,title=build::50%25 failed%0Ahint: do z";
        assert_eq!(line(&dockerfile, &finding), expected);
    }
}
