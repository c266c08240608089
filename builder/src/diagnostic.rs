//! What is wrong with a text, where, and how to put it right; and its drawing in the manner of rustc.
//!
//! Nothing here prints: [`Diagnostic::render`] returns text.

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use serde::Serialize;

use crate::source::{SourceFile, Span};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The build goes on; most likely it is not what was meant.
    Warning,
    /// The build cannot go on.
    Error,
}

/// Whether [`Diagnostic::render`] uses the colours of a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paint {
    /// Text alone.
    Plain,
    /// With ANSI colours.
    Coloured,
}

/// A stretch of the text and what is to be said of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Label {
    /// The stretch.
    pub span: Span,
    /// The remark; empty marks the stretch alone.
    pub text: String,
}

/// One finding about a text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// Short stable name: of a rule (`StageNameCasing`) or of a kind of mistake (`unknown-instruction`).
    pub code: &'static str,
    /// What is wrong.
    pub message: String,
    /// Where; the caret stands here.
    pub primary: Label,
    /// Other places that belong to it.
    pub secondary: Vec<Label>,
    /// The instruction that it is about, where that is known. The reference tells a finding's line by it.
    pub instruction: Option<Span>,
    /// What would put it right.
    pub hint: Option<String>,
    /// Background, such as the name of a documentation page.
    pub help: Option<String>,
}

impl Diagnostic {
    /// An error of kind `code` at `span`.
    pub fn error(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            code,
            message: visible(&message.into()),
            primary: Label { span, text: String::new() },
            secondary: Vec::new(),
            instruction: None,
            hint: None,
            help: None,
        }
    }

    /// A warning of kind `code` at `span`.
    pub fn warning(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, span, message) }
    }

    /// Sets the remark at the caret.
    pub fn label(mut self, text: impl Into<String>) -> Self {
        self.primary.text = text.into();
        self
    }

    /// Adds another place.
    pub fn also(mut self, span: Span, text: impl Into<String>) -> Self {
        self.secondary.push(Label { span, text: text.into() });
        self
    }

    /// Sets the instruction that it is about.
    pub fn of(mut self, instruction: Span) -> Self {
        self.instruction = Some(instruction);
        self
    }

    /// The line, from 1, that the reference tells: the first of the instruction. The caret can stand further down.
    pub fn line(&self, source: &SourceFile) -> usize {
        source.line(self.instruction.unwrap_or(self.primary.span).start)
    }

    /// Sets the remedy.
    pub fn hint(mut self, text: impl Into<String>) -> Self {
        self.hint = Some(text.into());
        self
    }

    /// Sets the remedy to "did you mean", if there is something to mean.
    pub fn did_you_mean(self, nearest: Option<&str>) -> Self {
        match nearest {
            Some(word) => self.hint(format!("did you mean `{word}`?")),
            None => self,
        }
    }

    /// Sets the background.
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.help = Some(text.into());
        self
    }

    /// Whether the build cannot go on.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    /// Draws the finding with the lines of `source` that it is about. Ends without a line feed.
    pub fn render(&self, source: &SourceFile, paint: Paint) -> String {
        let level = match self.severity {
            Severity::Warning => Level::WARNING,
            Severity::Error => Level::ERROR,
        };
        let mut snippet = Snippet::source(source.text()).path(source.name());
        let labels = std::iter::once((AnnotationKind::Primary, &self.primary))
            .chain(self.secondary.iter().map(|label| (AnnotationKind::Context, label)));
        for (kind, label) in labels {
            let annotation = kind.span(clip(label.span, source.text()));
            snippet = snippet.annotation(match label.text.as_str() {
                "" => annotation,
                text => annotation.label(text),
            });
        }
        let mut group: Group<'_> = level.primary_title(&self.message).id(self.code).element(snippet);
        if let Some(hint) = &self.hint {
            group = group.element(Level::HELP.with_name("hint").message(hint));
        }
        if let Some(help) = &self.help {
            group = group.element(Level::HELP.message(help));
        }
        renderer(paint).render(&[group])
    }
}

fn renderer(paint: Paint) -> Renderer {
    match paint {
        Paint::Plain => Renderer::plain().decor_style(DecorStyle::Ascii),
        Paint::Coloured => Renderer::styled().decor_style(DecorStyle::Unicode),
    }
}

/// `text` with its control characters spelled out: a terminal must neither swallow nor obey them.
fn visible(text: &str) -> String {
    let spell = |character: char| match character.is_control() {
        true => character.escape_default().collect(),
        false => character.to_string(),
    };
    text.chars().map(spell).collect()
}

/// The first line of a long stretch says enough; the drawing needs the ends at characters of the text.
fn clip(span: Span, text: &str) -> std::ops::Range<usize> {
    let mut start = span.start.min(text.len());
    while !text.is_char_boundary(start) {
        start -= 1;
    }
    let mut end = span.end.clamp(start, text.len());
    while !text.is_char_boundary(end) {
        end += 1;
    }
    let first_line = text[start..end].find('\n').map_or(end, |at| start + at);
    start..first_line
}

#[cfg(test)]
mod tests {
    use super::{Diagnostic, Paint};
    use crate::source::{SourceFile, Span};

    #[test]
    fn draws_the_line_and_the_caret() {
        let source = SourceFile::new("Dockerfile", "FROM scratch\nRNU true\n");
        let text = Diagnostic::error("unknown-instruction", Span::new(13, 16), "unknown instruction `RNU`")
            .did_you_mean(Some("RUN"))
            .render(&source, Paint::Plain);
        insta::assert_snapshot!(text, @r"
        error[unknown-instruction]: unknown instruction `RNU`
         --> Dockerfile:2:1
          |
        2 | RNU true
          | ^^^
          |
          = hint: did you mean `RUN`?
        ");
    }

    #[test]
    fn control_characters_are_spelled_out() {
        let source = SourceFile::new("Dockerfile", "\tx");
        let text = Diagnostic::error("x", Span::new(0, 1), "bad \t\u{1b}[2J").render(&source, Paint::Plain);
        assert!(text.starts_with(r"error[x]: bad \t\u{1b}[2J"), "{text}");
    }

    #[test]
    fn spans_outside_the_text_do_no_harm() {
        let source = SourceFile::new("Dockerfile", "é");
        for span in [Span::new(1, 1), Span::new(0, 99), Span::new(50, 60)] {
            assert!(Diagnostic::error("x", span, "m").render(&source, Paint::Plain).contains("error[x]: m"));
        }
    }
}
