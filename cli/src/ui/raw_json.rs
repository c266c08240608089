//! `--progress=rawjson`: a document a line on standard error, in the form of BuildKit's `SolveStatus`, for programs.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dhow_builder::{Event, OutputStream, StepUsage};
use dhow_layer_store::oci::Digest;
use serde_json::{Value, json};

use crate::output;

/// Writes the events of one build.
#[derive(Debug, Default)]
pub(crate) struct RawJson(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    names: Vec<String>,
    /// When each step began.
    started: BTreeMap<usize, String>,
}

impl RawJson {
    /// Writes what an event tells, if BuildKit has words for it.
    pub(crate) fn event(&self, event: &Event) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(document) = state.document(event, &now()) {
            output::say(&document.to_string());
        }
    }
}

impl State {
    fn document(&mut self, event: &Event, now: &str) -> Option<Value> {
        let vertex = match event {
            Event::Planned { steps } => {
                self.names.clone_from(steps);
                let vertexes: Vec<Value> = (0..steps.len()).map(|step| self.vertex(step)).collect();
                return Some(json!({ "vertexes": vertexes }));
            }
            Event::Output { step, stream, bytes } => {
                let stream = if *stream == OutputStream::Stdout { 1 } else { 2 };
                let data = STANDARD.encode(bytes);
                let log = json!({ "vertex": self.digest(step.0), "stream": stream, "data": data, "timestamp": now });
                return Some(json!({ "logs": [log] }));
            }
            Event::Warning { text } => {
                return Some(json!({ "warnings": [{ "level": 1, "short": STANDARD.encode(text) }] }));
            }
            Event::Cached { step } => {
                self.started.insert(step.0, now.to_owned());
                merged(self.vertex(step.0), json!({ "completed": now, "cached": true }))
            }
            Event::Started { step } => {
                self.started.insert(step.0, now.to_owned());
                self.vertex(step.0)
            }
            Event::Finished { step, usage } => {
                merged(self.vertex(step.0), json!({ "completed": now, "usage": used(usage) }))
            }
            Event::Stopped { step } => {
                merged(self.vertex(step.0), json!({ "completed": now, "error": "context canceled" }))
            }
            Event::Failed { step } => {
                merged(self.vertex(step.0), json!({ "completed": now, "error": "the step failed" }))
            }
            _ => return None,
        };
        Some(json!({ "vertexes": [vertex] }))
    }

    fn vertex(&self, step: usize) -> Value {
        let mut vertex = json!({ "digest": self.digest(step), "name": self.names.get(step) });
        if let Some(started) = self.started.get(&step) {
            vertex["started"] = Value::from(started.as_str());
        }
        vertex
    }

    /// BuildKit's vertexes have digests for names; ours are told apart by their places.
    fn digest(&self, step: usize) -> String {
        let name = self.names.get(step).map(String::as_str).unwrap_or_default();
        Digest::of(format!("{step} {name}").as_bytes()).to_string()
    }
}

fn merged(mut vertex: Value, more: Value) -> Value {
    if let (Some(vertex), Value::Object(more)) = (vertex.as_object_mut(), more) {
        vertex.extend(more);
    }
    vertex
}

/// What BuildKit has no words for: seconds of processor time, and bytes.
fn used(usage: &StepUsage) -> Value {
    json!({
        "cpuSeconds": usage.cpu.map(|cpu| cpu.as_secs_f64()),
        "peakMemoryBytes": usage.peak_memory,
        "bytesWritten": usage.bytes_written,
    })
}

fn now() -> String {
    format!("{:.9}", jiff::Timestamp::now())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use dhow_builder::{Event, OutputStream, StepId, StepUsage};
    use serde_json::json;

    use super::State;

    #[test]
    fn events_have_the_form_of_buildkits() {
        let mut state = State::default();
        let planned = state.document(&Event::Planned { steps: vec!["[1/1] RUN a".to_owned()] }, "t0").unwrap();
        let digest = planned["vertexes"][0]["digest"].clone();
        assert!(digest.as_str().unwrap().starts_with("sha256:"));
        let step = StepId(0);
        let started = state.document(&Event::Started { step }, "t1").unwrap();
        assert_eq!(started["vertexes"][0]["started"], "t1");
        let output = Event::Output { step, stream: OutputStream::Stderr, bytes: b"hi\n".to_vec() };
        let output = state.document(&output, "t2").unwrap();
        assert_eq!(output["logs"][0]["data"], "aGkK");
        assert_eq!((&output["logs"][0]["stream"], &output["logs"][0]["vertex"]), (&2.into(), &digest));
        let usage = StepUsage { cpu: Some(Duration::from_millis(1500)), bytes_written: 7, ..StepUsage::default() };
        let finished = state.document(&Event::Finished { step, usage }, "t3").unwrap();
        let expected = json!({ "cpuSeconds": 1.5, "peakMemoryBytes": null, "bytesWritten": 7 });
        assert_eq!(finished["vertexes"][0]["usage"], expected);
        assert_eq!(
            (&finished["vertexes"][0]["started"], &finished["vertexes"][0]["completed"]),
            (&"t1".into(), &"t3".into())
        );
        assert_eq!(state.document(&Event::Assembling, "t4"), None);
    }
}
