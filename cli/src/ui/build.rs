//! Progress of a build: a line or a bar for each step, with all that its program writes.
//!
//! In lines nothing is clipped: `#5 [build 2/3] RUN make`, `#5 0.123 output`, `#5 DONE 0.4s`.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::Mode;
use crate::format::human;
use crate::output;

/// Shows the steps of one build. Shared by the threads that run them.
pub(crate) struct BuildProgress {
    mode: Mode,
    bars: MultiProgress,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    names: Vec<String>,
    running: BTreeMap<usize, Running>,
    /// The step whose lines were printed last, so that a change of step is seen.
    speaking: Option<usize>,
}

struct Running {
    since: Instant,
    bar: Option<ProgressBar>,
    /// All that the step wrote, kept for the case that it fails behind a bar.
    log: Vec<u8>,
    /// The beginning of a line whose end has not come yet.
    partial: Vec<u8>,
}

/// As much of a step's output is kept behind its bar, in bytes; what is older goes first.
const KEPT_LOG: usize = 1 << 20;
/// How often a second the bars are drawn.
const DRAWS_A_SECOND: u8 = 10;

impl BuildProgress {
    /// Progress in one of the three forms.
    pub(crate) fn new(mode: Mode) -> Self {
        let target = match mode {
            Mode::Bars => ProgressDrawTarget::stderr_with_hz(DRAWS_A_SECOND),
            Mode::Lines | Mode::Quiet => ProgressDrawTarget::hidden(),
        };
        Self { mode, bars: MultiProgress::with_draw_target(target), state: Mutex::default() }
    }

    /// The steps that there will be.
    pub(crate) fn planned(&self, names: Vec<String>) {
        self.with(|state, _| state.names = names);
    }

    /// A step's result was in the cache.
    pub(crate) fn cached(&self, step: usize) {
        self.with(|state, show| {
            let title = state.title(step);
            show.line(&format!("#{} {title}", step + 1));
            show.line(&format!("#{} CACHED", step + 1));
            show.mark(&format!("CACHED {title}"));
            state.speaking = Some(step);
        });
    }

    /// Why a step is not in the cache.
    pub(crate) fn explained(&self, step: usize, reason: &str) {
        self.with(|state, show| {
            show.line(&format!("#{} NOT CACHED: {reason}", step + 1));
            show.mark(&format!("NOT CACHED {}: {reason}", state.title(step)));
        });
    }

    /// A step begins.
    pub(crate) fn started(&self, step: usize) {
        self.with(|state, show| {
            let title = state.title(step);
            show.line(&format!("#{} {title}", step + 1));
            let bar = show.bar(&title);
            let running = Running { since: Instant::now(), bar, log: Vec::new(), partial: Vec::new() };
            state.running.insert(step, running);
            state.speaking = Some(step);
        });
    }

    /// Something about a step that is not its output.
    pub(crate) fn note(&self, step: usize, text: &str) {
        self.with(|state, show| {
            show.line(&format!("#{} {text}", step + 1));
            if let Some(bar) = state.running.get(&step).and_then(|running| running.bar.as_ref()) {
                bar.set_message(text.to_owned());
            }
        });
    }

    /// A step's program wrote something.
    pub(crate) fn output(&self, step: usize, bytes: &[u8]) {
        self.with(|state, show| {
            let changed = state.speaking.replace(step) != Some(step);
            let title = state.title(step);
            let Some(running) = state.running.get_mut(&step) else { return };
            let lines = running.take(bytes);
            if changed && !lines.is_empty() {
                show.line(&format!("#{} {title}", step + 1));
            }
            for line in lines {
                running.show(step, &line, show);
            }
        });
    }

    /// A step is done.
    pub(crate) fn finished(&self, step: usize, elapsed: Duration) {
        self.with(|state, show| {
            if let Some(mut running) = state.running.remove(&step) {
                running.flush(step, show);
                running.close();
            }
            show.line(&format!("#{} DONE {}", step + 1, human::elapsed(elapsed)));
            show.mark(&format!("{} {}", state.title(step), human::elapsed(elapsed)));
        });
    }

    /// A step failed. Behind bars its whole output is shown now, as nobody has seen it yet.
    pub(crate) fn failed(&self, step: usize) {
        self.with(|state, show| {
            let title = state.title(step);
            if let Some(mut running) = state.running.remove(&step) {
                running.flush(step, show);
                running.close();
                if show.mode == Mode::Bars || show.mode == Mode::Quiet {
                    let _ = show.bars.clear();
                    output::say(&format!("------\n > {title}:"));
                    output::say(String::from_utf8_lossy(&running.log).trim_end());
                    output::say("------");
                }
            }
            show.line(&format!("#{} ERROR", step + 1));
        });
    }

    /// Says something about the whole build.
    pub(crate) fn say(&self, text: &str) {
        self.with(|_, show| {
            show.line(text);
            show.mark(text);
        });
    }

    /// Takes all bars away, for good.
    pub(crate) fn end(&self) {
        let _ = self.bars.clear();
        self.bars.set_draw_target(ProgressDrawTarget::hidden());
    }

    fn with(&self, act: impl FnOnce(&mut State, &Show<'_>)) {
        let mut state = self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        act(&mut state, &Show { mode: self.mode, bars: &self.bars });
    }
}

impl State {
    fn title(&self, step: usize) -> String {
        self.names.get(step).cloned().unwrap_or_else(|| format!("step {}", step + 1))
    }
}

impl Running {
    /// Takes what was written; returns the lines that are whole, without their ends.
    fn take(&mut self, bytes: &[u8]) -> Vec<Vec<u8>> {
        self.log.extend_from_slice(bytes);
        if self.log.len() > 2 * KEPT_LOG {
            self.log.drain(..self.log.len() - KEPT_LOG);
        }
        self.partial.extend_from_slice(bytes);
        let mut lines: Vec<Vec<u8>> = self.partial.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
        self.partial = lines.pop().unwrap_or_default();
        lines
    }

    fn flush(&mut self, step: usize, show: &Show<'_>) {
        let rest = std::mem::take(&mut self.partial);
        if !rest.is_empty() {
            self.show(step, &rest, show);
        }
    }

    fn show(&self, step: usize, line: &[u8], show: &Show<'_>) {
        let text = String::from_utf8_lossy(line);
        let text = text.trim_end_matches('\r');
        show.line(&format!("#{} {:.3} {text}", step + 1, self.since.elapsed().as_secs_f64()));
        if let Some(bar) = &self.bar {
            bar.set_message(text.trim().to_owned());
        }
    }

    fn close(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// How to show something in the build's mode.
struct Show<'a> {
    mode: Mode,
    bars: &'a MultiProgress,
}

impl Show<'_> {
    /// A line of a log.
    fn line(&self, text: &str) {
        if self.mode == Mode::Lines {
            output::say(text);
        }
    }

    /// A line that stays above the bars.
    fn mark(&self, text: &str) {
        if self.mode == Mode::Bars {
            // Without a terminal (`--progress=tty` into a file) nothing is drawn; the marks still belong there.
            match self.bars.is_hidden() {
                true => output::say(text),
                false => drop(self.bars.println(text)),
            }
        }
    }

    fn bar(&self, title: &str) -> Option<ProgressBar> {
        if self.mode != Mode::Bars {
            return None;
        }
        let style = ProgressStyle::with_template("{spinner} {prefix} {elapsed} {wide_msg:.dim}");
        let bar = self.bars.add(ProgressBar::new_spinner());
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
        bar.set_prefix(title.to_owned());
        bar.enable_steady_tick(Duration::from_millis(1000 / u64::from(DRAWS_A_SECOND)));
        Some(bar)
    }
}

#[cfg(test)]
mod tests {
    use super::Running;
    use std::time::Instant;

    #[test]
    fn lines_are_whole_and_never_clipped() {
        let mut running = Running { since: Instant::now(), bar: None, log: Vec::new(), partial: Vec::new() };
        assert!(running.take(b"one, ").is_empty());
        assert_eq!(running.take(b"still one\ntwo\nthr"), [b"one, still one".to_vec(), b"two".to_vec()]);
        assert_eq!(running.partial, b"thr");
        let long = vec![b'x'; 300_000];
        assert!(running.take(&long).is_empty());
        assert_eq!(running.take(b"\n")[0].len(), 300_003);
        assert!(running.log.starts_with(b"one, still one\n"));
    }
}
