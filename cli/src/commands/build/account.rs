//! What became of each step of a build, for `--explain=json`, `--metadata-file` and the summary.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use dhow_builder::{Event, MissReason, StepId, StepUsage};
use serde_json::{Value, json};

/// The steps that the build came to, with what is known of them.
#[derive(Debug, Default)]
pub(super) struct Account(Mutex<State>);

/// A step for people.
#[derive(Debug)]
pub(super) struct Row {
    /// Its place in the plan.
    pub(super) step: usize,
    /// What it is called.
    pub(super) name: String,
    /// What it took, unless it was in the cache.
    pub(super) elapsed: Option<Duration>,
    /// What it wrote in bytes, unless it was in the cache.
    pub(super) written: Option<u64>,
}

#[derive(Debug, Default)]
struct State {
    names: Vec<String>,
    steps: BTreeMap<usize, Step>,
}

#[derive(Debug, Default)]
struct Step {
    outcome: &'static str,
    reasons: Vec<MissReason>,
    usage: StepUsage,
}

impl State {
    fn step(&mut self, id: StepId) -> &mut Step {
        self.steps.entry(id.0).or_default()
    }
}

impl Account {
    /// Takes what an event tells.
    pub(super) fn note(&self, event: &Event) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Planned { steps } => state.names.clone_from(steps),
            Event::Cached { step } => state.step(*step).outcome = "cached",
            Event::Missed { step, reasons } => state.step(*step).reasons.clone_from(reasons),
            Event::Started { step } => state.step(*step).outcome = "started",
            Event::Stopped { step } => state.step(*step).outcome = "stopped",
            Event::Failed { step } => state.step(*step).outcome = "failed",
            Event::Finished { step, usage } => {
                let step = state.step(*step);
                (step.outcome, step.usage) = ("executed", *usage);
            }
            _ => {}
        }
    }

    /// Whether any step had to be executed.
    pub(super) fn ran(&self) -> bool {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.steps.values().any(|step| step.outcome != "cached")
    }

    /// Whether the step `step` had to be executed.
    pub(super) fn executed(&self, step: usize) -> bool {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.steps.get(&step).is_some_and(|step| step.outcome == "executed")
    }

    /// All steps for people, in the order of the Dockerfile.
    pub(super) fn rows(&self) -> Vec<Row> {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let row = |(at, step): (&usize, &Step)| {
            let executed = (step.outcome == "executed").then_some(step.usage);
            Row {
                step: *at,
                name: state.names.get(*at).cloned().unwrap_or_default(),
                elapsed: executed.map(|usage| usage.elapsed),
                written: executed.map(|usage| usage.bytes_written),
            }
        };
        state.steps.iter().map(row).collect()
    }

    /// Bytes that the steps added to the store: their layers, and about what is said of each.
    pub(super) fn written(&self) -> u64 {
        const RECORDS: u64 = 16 * 1024;
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let executed = state.steps.values().filter(|step| step.outcome != "cached");
        executed.map(|step| step.usage.bytes_written + RECORDS).sum()
    }

    /// All steps, in the order of the Dockerfile.
    pub(super) fn steps(&self) -> Value {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let value = |(at, step): (&usize, &Step)| {
            let mut value = json!({ "step": at + 1, "name": state.names.get(*at), "outcome": step.outcome });
            if step.outcome == "executed" {
                value["seconds"] = json!(step.usage.elapsed.as_secs_f64());
                value["cpu_seconds"] = json!(step.usage.cpu.map(|cpu| cpu.as_secs_f64()));
                value["peak_memory"] = json!(step.usage.peak_memory);
                value["bytes_written"] = json!(step.usage.bytes_written);
            }
            if step.outcome != "cached" {
                value["reasons"] = step.reasons.iter().map(reason).collect();
            }
            value
        };
        state.steps.iter().map(value).collect()
    }
}

/// A reason's fields, and the line that people see.
fn reason(reason: &MissReason) -> Value {
    let mut value = json!(reason);
    value["text"] = Value::from(reason.to_string());
    value
}

#[cfg(test)]
mod tests {
    use super::Account;
    use dhow_builder::{Change, Event, MissReason, StepId, StepUsage};

    #[test]
    fn steps_are_told_with_their_reasons() {
        let account = Account::default();
        let name = "[1/2] RUN make".to_owned();
        account.note(&Event::Planned { steps: vec![name, "[2/2] COPY a /".to_owned()] });
        account.note(&Event::Cached { step: StepId(0) });
        assert!(!account.ran());
        let reason = MissReason::File { path: "a".to_owned(), change: Change::Mode };
        account.note(&Event::Missed { step: StepId(1), reasons: vec![reason] });
        account.note(&Event::Started { step: StepId(1) });
        account.note(&Event::Finished { step: StepId(1), usage: StepUsage::default() });
        assert!(account.ran());
        let steps = account.steps();
        assert_eq!(steps[0]["outcome"], "cached");
        let expected = serde_json::json!([
            { "reason": "file", "path": "a", "change": "mode", "text": "`a` has another mode" }
        ]);
        assert_eq!((&steps[1]["outcome"], &steps[1]["reasons"]), (&"executed".into(), &expected));
    }
}
