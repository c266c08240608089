//! Shows the events of a build.

use dhow_builder::{Event, EventSink};

use super::account::Account;
use crate::output;
use crate::ui::{BuildProgress, RawJson};

/// Where a build's events go.
pub(super) struct Sink<'a> {
    /// Shows them.
    pub(super) progress: &'a BuildProgress,
    /// Tells programs of them instead.
    pub(super) documents: Option<RawJson>,
    /// Whether to say why steps are not in the cache.
    pub(super) explains: bool,
    /// What becomes of the steps.
    pub(super) account: &'a Account,
}

impl EventSink for Sink<'_> {
    fn event(&self, event: Event) {
        self.account.note(&event);
        match &self.documents {
            Some(documents) => documents.event(&event),
            None => show(self.progress, event),
        }
    }

    fn wants_reasons(&self) -> bool {
        self.explains
    }
}

fn show(progress: &BuildProgress, event: Event) {
    match event {
        Event::Planned { steps } => progress.planned(steps),
        Event::Warning { text } => progress.say(&text),
        Event::Cached { step } => progress.cached(step.0),
        Event::Missed { step, reasons } => {
            let reasons: Vec<String> = reasons.iter().map(ToString::to_string).collect();
            progress.explained(step.0, &reasons.join("; "));
        }
        Event::Waiting { step } => progress.note(step.0, "waiting for another build of the same step"),
        Event::Started { step } => progress.started(step.0),
        Event::Output { step, bytes, .. } => progress.output(step.0, &bytes),
        Event::Finished { step, usage } => progress.finished(step.0, usage.elapsed),
        Event::Stopped { step } => progress.stopped(step.0),
        Event::Failed { step } => progress.failed(step.0),
        Event::Inspecting { step } => {
            progress.failed(step.0);
            progress.end();
            output::say("the step failed: this is a shell in its sandbox; the build ends when you leave it");
        }
        Event::Kept { image, .. } => {
            let id = image.digest().short();
            output::say(&format!(
                "the step's files are kept as image {id}: `dhow run --rm -it {id} sh` looks at them; \
                 if it has no shell, `--on-error=shell` brings one"
            ));
        }
        // What else happens takes no time that a person would notice.
        _ => {}
    }
}
