//! Shows the events of a build.

use dhow_builder::Event;

use crate::ui::BuildProgress;

/// Shows one event.
pub(super) fn show(progress: &BuildProgress, event: Event) {
    match event {
        Event::Planned { steps } => progress.planned(steps),
        Event::Warning { text } => progress.say(&text),
        Event::Cached { step } => progress.cached(step.0),
        Event::Waiting { step } => progress.note(step.0, "waiting for another build of the same step"),
        Event::Started { step } => progress.started(step.0),
        Event::Output { step, bytes, .. } => progress.output(step.0, &bytes),
        Event::Finished { step, usage } => progress.finished(step.0, usage.elapsed),
        Event::Failed { step } => progress.failed(step.0),
        // What else happens takes no time that a person would notice.
        _ => {}
    }
}
