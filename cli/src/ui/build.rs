//! Progress of a build: a line for each step, with all that its program writes; on a terminal as rows that change.
//!
//! In lines nothing is clipped: `#5 [build 2/3] RUN make`, `#5 0.123 output`, `#5 DONE 0.4s`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::Mode;
use super::cells::one_line;
use super::groups::{Ci, Groups};
use super::palette::{Palette, Tone};
use super::row::{Row, StepRow, beside, timed};
use super::running::{Log, Running};
use super::screen::{LAST, Screen};
use super::show::Show;
use crate::environment::Environment;
use crate::format::human;
use crate::output;

/// Shows the steps of one build. Shared by the threads that run them.
pub(crate) struct BuildProgress {
    show: Show,
    state: Mutex<State>,
}

pub(super) struct State {
    since: Instant,
    names: Vec<String>,
    running: BTreeMap<usize, Running>,
    done: BTreeSet<usize>,
    /// The step whose lines were printed last, so that a change of step is seen.
    speaking: Option<usize>,
    /// Whether lines of several steps came between each other.
    is_mixed: bool,
    /// The first step that failed, and its log.
    failed: Option<(String, Log)>,
}

impl BuildProgress {
    /// Progress in one of the forms. BuildKit's variables that say how it looks are honoured.
    pub(crate) fn new(mode: Mode, environment: &Environment) -> Self {
        let (palette, mut wrong) = Palette::of(environment);
        let lines = environment.get("BUILDKIT_TTY_LOG_LINES");
        let log_lines = lines.and_then(|lines| lines.parse().ok());
        if let (Some(text), None) = (lines, log_lines) {
            wrong.push(format!("warning: `{}` in BUILDKIT_TTY_LOG_LINES is no number", one_line(text)));
        }
        if mode == Mode::Bars {
            wrong.iter().for_each(|warning| output::say(&palette.paint(Tone::Warning, warning)));
        }
        let groups = Ci::of(environment).filter(|_| mode == Mode::Lines).map(|ci| Mutex::new(Groups::new(ci)));
        let clips = environment.get("PROGRESS_NO_TRUNC") == Some("0");
        let state = State {
            since: Instant::now(),
            names: Vec::new(),
            running: BTreeMap::new(),
            done: BTreeSet::new(),
            speaking: None,
            is_mixed: false,
            failed: None,
        };
        let show = Show { mode, groups, palette, clips, log_lines: log_lines.unwrap_or(1) };
        Self { show, state: Mutex::new(state) }
    }

    /// The steps that there will be.
    pub(crate) fn planned(&self, names: Vec<String>) {
        self.with(|state, show| {
            state.names = names;
            show.sum(state);
        });
    }

    /// A step's result was in the cache.
    pub(crate) fn cached(&self, step: usize) {
        self.with(|state, show| {
            let title = state.title(step);
            show.step_line(step, &show.first_line(step, &title));
            show.step_line(step, &format!("#{} CACHED", step + 1));
            state.end(step, show, (Tone::Run, &beside("CACHED", &one_line(&title))));
            state.speaking = Some(step);
        });
    }

    /// Why a step is not in the cache.
    pub(crate) fn explained(&self, step: usize, reason: &str) {
        self.with(|state, show| {
            show.step_line(step, &format!("#{} NOT CACHED: {reason}", step + 1));
            show.mark(None, &format!("NOT CACHED {}: {reason}", one_line(&state.title(step))));
        });
    }

    /// A step begins.
    pub(crate) fn started(&self, step: usize) {
        self.with(|state, show| {
            let title = state.title(step);
            show.begin(step, &show.first_line(step, &title));
            state.open(step, show);
            state.speaking = Some(step);
        });
    }

    /// Something about a step that is not its output, before or while it is executed.
    pub(crate) fn note(&self, step: usize, text: &str) {
        self.with(|state, show| {
            show.step_line(step, &format!("#{} {text}", step + 1));
            if !state.running.contains_key(&step) {
                state.open(step, show);
            }
            state.running[&step].tell(text);
        });
    }

    /// A step's program wrote something.
    pub(crate) fn output(&self, step: usize, bytes: &[u8]) {
        self.with(|state, show| {
            let changed = state.speaking.replace(step) != Some(step);
            state.is_mixed |= changed;
            let title = state.title(step);
            let Some(running) = state.running.get_mut(&step) else { return };
            let lines = running.take(bytes);
            if changed && !lines.is_empty() && show.groups.is_none() {
                show.step_line(step, &show.first_line(step, &title));
            }
            lines.iter().for_each(|line| running.show(step, line, show));
            if let Some(line) = running.rewritten() {
                running.tell(&String::from_utf8_lossy(line));
            }
        });
    }

    /// A step is done.
    pub(crate) fn finished(&self, step: usize, elapsed: Duration) {
        self.with(|state, show| {
            state.flush(step, show);
            show.end(step, &format!("DONE {}", human::elapsed(elapsed)));
            state.end(step, show, (Tone::Run, &timed(elapsed, &one_line(&state.title(step)))));
        });
    }

    /// A step was stopped.
    pub(crate) fn stopped(&self, step: usize) {
        self.with(|state, show| {
            state.flush(step, show);
            if state.running.contains_key(&step) {
                show.end(step, "CANCELED");
                state.end(step, show, (Tone::Cancel, &beside("CANCELED", &one_line(&state.title(step)))));
            }
        });
    }

    /// A step failed. Its log comes at the [end](Self::end), unless it was just shown in one piece.
    pub(crate) fn failed(&self, step: usize) {
        self.with(|state, show| {
            let title = state.title(step);
            state.flush(step, show);
            let Some(running) = state.running.get_mut(&step) else { return };
            let log = std::mem::replace(&mut running.log, Log::new());
            show.end(step, "ERROR");
            state.end(step, show, (Tone::Error, &beside("ERROR", &one_line(&title))));
            if show.mode != Mode::Lines || show.groups.is_some() || state.is_mixed {
                state.failed = Some((title, log));
            }
        });
    }

    /// Says something about the whole build.
    pub(crate) fn say(&self, text: &str) {
        self.with(|_, show| {
            show.line(text);
            show.mark(None, text);
        });
    }

    /// Takes all rows away, and shows the whole log of the step that failed, which nobody has seen yet, or not in one piece.
    pub(crate) fn end(&self) {
        self.with(|state, show| {
            for running in std::mem::take(&mut state.running).into_values() {
                running.place.iter().for_each(|place| Screen::get().remove(*place, ""));
            }
            Screen::get().remove(LAST, "");
            let Some((title, mut log)) = state.failed.take() else { return };
            output::say(&format!("------\n > {title}:"));
            // Where the log cannot be read again, the error still tells what failed.
            show.with_groups(|groups| groups.stop_commands());
            let _ = log.tell();
            show.with_groups(|groups| groups.resume_commands());
            output::say("------");
        });
    }

    fn with(&self, act: impl FnOnce(&mut State, &Show)) {
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner), &self.show);
    }
}

impl State {
    fn title(&self, step: usize) -> String {
        self.names.get(step).cloned().unwrap_or_else(|| format!("step {}", step + 1))
    }

    /// Shows a row for the step from now on.
    fn open(&mut self, step: usize, show: &Show) {
        let (title, since) = (one_line(&self.title(step)), Instant::now());
        let row = Row::Step(StepRow { title, since, last: [].into(), shown: show.log_lines });
        let place = self.running.get(&step).and_then(|running| running.place);
        let place = (show.mode == Mode::Bars).then(|| Screen::get().put(place, row));
        self.running.insert(step, Running::new(place));
    }

    fn flush(&mut self, step: usize, show: &Show) {
        let Some(running) = self.running.get_mut(&step) else { return };
        if let Some(rest) = running.rest() {
            running.show(step, &rest, show);
        }
    }

    /// Takes the step's row away and leaves a line.
    fn end(&mut self, step: usize, show: &Show, (tone, mark): (Tone, &str)) {
        self.done.insert(step);
        show.sum(self);
        if let Some(place) = self.running.remove(&step).and_then(|running| running.place) {
            Screen::get().remove(place, "");
        }
        show.mark(Some(tone), mark);
    }

    /// The row of the whole build.
    pub(super) fn sum(&self) -> Row {
        // Bases and sources are in the plan, but nobody waits for them alone.
        let is_step = |name: &&String| !name.starts_with("[internal]") && !name.contains("] FROM ");
        let (done, of) = (self.done.len(), self.names.iter().filter(is_step).count());
        Row::Sum { since: self.since, done, of: of.max(done) }
    }
}
