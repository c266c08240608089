//! What a build tells while it goes on. Nothing here prints: the caller gives an [`EventSink`].

use std::time::Duration;

use dhow_layer_store::oci::ImageId;

use crate::cache::MissReason;

/// The place of a step in the plan, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StepId(pub usize);

/// Which stream of a `RUN` step's program wrote something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// What a step that was executed used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StepUsage {
    /// Wall time.
    pub elapsed: Duration,
    /// Processor time of the step's processes; `None` where no program ran.
    pub cpu: Option<Duration>,
    /// Largest memory of one of its processes in bytes; `None` where no program ran.
    pub peak_memory: Option<u64>,
    /// Bytes on disk of the layer that the step made.
    pub bytes_written: u64,
}

/// One thing that happened. Events of steps that run at the same time come interleaved, each step's own in order.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// The steps that the target needs, in order; `StepId(n)` is the n-th name.
    Planned {
        /// What each step is called, such as `[build 2/5] RUN make`.
        steps: Vec<String>,
    },
    /// A remark on the Dockerfile that does not stop the build, drawn with the lines it is about.
    Warning {
        /// The drawing, without a line feed at its end.
        text: String,
    },
    /// A step's result was found in the cache.
    Cached {
        /// The step.
        step: StepId,
    },
    /// A step was not found in the cache; only for a sink that [wants reasons](EventSink::wants_reasons).
    Missed {
        /// The step.
        step: StepId,
        /// Why, what weighs most first; never empty.
        reasons: Vec<MissReason>,
    },
    /// Another process builds the same step; this build waits for its result.
    Waiting {
        /// The step.
        step: StepId,
    },
    /// A step begins to be executed.
    Started {
        /// The step.
        step: StepId,
    },
    /// A step's program wrote something.
    Output {
        /// The step.
        step: StepId,
        /// Where to.
        stream: OutputStream,
        /// A line with its line feed, or what came without one: up to a carriage return, 64 KiB, or the last of the output.
        bytes: Vec<u8>,
    },
    /// A step is done.
    Finished {
        /// The step.
        step: StepId,
        /// What it took.
        usage: StepUsage,
    },
    /// A step was stopped, as another failed or the build was cancelled.
    Stopped {
        /// The step.
        step: StepId,
    },
    /// A step failed; the build's error says why.
    Failed {
        /// The step.
        step: StepId,
    },
    /// A step failed, the others are stopped, and a shell runs in its sandbox until [`Event::Failed`].
    Inspecting {
        /// The step.
        step: StepId,
    },
    /// The files of a step that failed were kept.
    Kept {
        /// The step.
        step: StepId,
        /// An image of them, without a name.
        image: ImageId,
    },
    /// All steps are done; the image is put together.
    Assembling,
}

/// Takes the events of a build, from several threads at once.
pub trait EventSink: Send + Sync {
    /// Takes one event. It must not wait long: the step that sent it waits meanwhile.
    fn event(&self, event: Event);

    /// Whether to find out why steps miss (`--explain`), which takes a look at all records.
    fn wants_reasons(&self) -> bool {
        false
    }
}

/// Drops every event.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoEvents;

impl EventSink for NoEvents {
    fn event(&self, _event: Event) {}
}

impl<F: Fn(Event) + Send + Sync> EventSink for F {
    fn event(&self, event: Event) {
        self(event);
    }
}
