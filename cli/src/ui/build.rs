//! Progress of a build: a line or a bar for each step, with all that its program writes.
//!
//! In lines nothing is clipped: `#5 [build 2/3] RUN make`, `#5 0.123 output`, `#5 DONE 0.4s`.

use std::collections::{BTreeMap, VecDeque};
use std::io::{Seek, Write};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use tempfile::SpooledTempFile;

use super::Mode;
use super::groups::{Ci, Groups};
use crate::environment::Environment;
use crate::format::human;
use crate::output;

/// Shows the steps of one build. Shared by the threads that run them.
pub(crate) struct BuildProgress {
    mode: Mode,
    bars: MultiProgress,
    state: Mutex<State>,
    /// Groups of a CI service's log.
    groups: Option<Mutex<Groups>>,
    /// Last lines of a running step that are shown behind its bar.
    log_lines: usize,
}

#[derive(Default)]
struct State {
    names: Vec<String>,
    running: BTreeMap<usize, Running>,
    /// The step whose lines were printed last, so that a change of step is seen.
    speaking: Option<usize>,
    /// Whether lines of several steps came between each other.
    is_mixed: bool,
    /// The first step that failed, and its log.
    failed: Option<(String, SpooledTempFile)>,
}

struct Running {
    since: Instant,
    bar: Option<ProgressBar>,
    /// All that the step wrote, kept for the case that it fails.
    log: SpooledTempFile,
    /// The last lines, as many as are shown behind the bar.
    last: VecDeque<String>,
    /// The beginning of a line whose end has not come yet.
    partial: Vec<u8>,
}

/// As much of a step's output is kept in memory, in bytes; more goes to the disk.
const KEPT_LOG: usize = 1 << 20;
/// How often a second the bars are drawn.
const DRAWS_A_SECOND: u8 = 10;

impl BuildProgress {
    /// Progress in one of the forms. `BUILDKIT_TTY_LOG_LINES` is for bars, the CI service's groups are for lines.
    pub(crate) fn new(mode: Mode, environment: &Environment) -> Self {
        let target = match mode {
            Mode::Bars => ProgressDrawTarget::stderr_with_hz(DRAWS_A_SECOND),
            Mode::Lines | Mode::Documents | Mode::Quiet => ProgressDrawTarget::hidden(),
        };
        let groups = Ci::of(environment).filter(|_| mode == Mode::Lines).map(|ci| Mutex::new(Groups::new(ci)));
        let log_lines = environment.get("BUILDKIT_TTY_LOG_LINES").and_then(|lines| lines.parse().ok()).unwrap_or(1);
        Self { mode, bars: MultiProgress::with_draw_target(target), state: Mutex::default(), groups, log_lines }
    }

    /// The steps that there will be.
    pub(crate) fn planned(&self, names: Vec<String>) {
        self.with(|state, _| state.names = names);
    }

    /// A step's result was in the cache.
    pub(crate) fn cached(&self, step: usize) {
        self.with(|state, show| {
            let title = state.title(step);
            show.step_line(step, &format!("#{} {title}", step + 1));
            show.step_line(step, &format!("#{} CACHED", step + 1));
            show.mark(&format!("CACHED {title}"));
            state.speaking = Some(step);
        });
    }

    /// Why a step is not in the cache.
    pub(crate) fn explained(&self, step: usize, reason: &str) {
        self.with(|state, show| {
            show.step_line(step, &format!("#{} NOT CACHED: {reason}", step + 1));
            show.mark(&format!("NOT CACHED {}: {reason}", state.title(step)));
        });
    }

    /// A step begins.
    pub(crate) fn started(&self, step: usize) {
        self.with(|state, show| {
            let title = state.title(step);
            show.begin(step, &format!("#{} {title}", step + 1));
            let running = Running::new(show.bar(&title));
            state.running.insert(step, running);
            state.speaking = Some(step);
        });
    }

    /// Something about a step that is not its output.
    pub(crate) fn note(&self, step: usize, text: &str) {
        self.with(|state, show| {
            show.step_line(step, &format!("#{} {text}", step + 1));
            if let Some(bar) = state.running.get(&step).and_then(|running| running.bar.as_ref()) {
                bar.set_message(text.to_owned());
            }
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
                show.step_line(step, &format!("#{} {title}", step + 1));
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
            show.step_line(step, &format!("#{} DONE {}", step + 1, human::elapsed(elapsed)));
            show.with_groups(|groups| groups.end(step));
            show.mark(&format!("{} {}", state.title(step), human::elapsed(elapsed)));
        });
    }

    /// A step failed. Its log comes at the [end](Self::end), unless it was just shown in one piece.
    pub(crate) fn failed(&self, step: usize) {
        self.with(|state, show| {
            let title = state.title(step);
            let Some(mut running) = state.running.remove(&step) else { return };
            running.flush(step, show);
            running.close();
            show.step_line(step, &format!("#{} ERROR", step + 1));
            show.with_groups(|groups| groups.end(step));
            if show.mode != Mode::Lines || show.groups.is_some() || state.is_mixed {
                state.failed = Some((title, running.log));
            }
        });
    }

    /// Says something about the whole build.
    pub(crate) fn say(&self, text: &str) {
        self.with(|_, show| {
            show.line(text);
            show.mark(text);
        });
    }

    /// Takes all bars away, for good, and shows the whole log of the step that failed, which nobody has seen yet, or not in one
    /// piece.
    pub(crate) fn end(&self) {
        let _ = self.bars.clear();
        self.bars.set_draw_target(ProgressDrawTarget::hidden());
        self.with(|state, _| {
            let Some((title, mut log)) = state.failed.take() else { return };
            output::say(&format!("------\n > {title}:"));
            if log.rewind().is_ok() {
                output::copy(&mut log);
            }
            output::say("------");
        });
    }

    fn with(&self, act: impl FnOnce(&mut State, &Show<'_>)) {
        let mut state = self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        act(
            &mut state,
            &Show { mode: self.mode, bars: &self.bars, groups: self.groups.as_ref(), log_lines: self.log_lines },
        );
    }
}

impl State {
    fn title(&self, step: usize) -> String {
        self.names.get(step).cloned().unwrap_or_else(|| format!("step {}", step + 1))
    }
}

impl Running {
    fn new(bar: Option<ProgressBar>) -> Self {
        let log = tempfile::spooled_tempfile(KEPT_LOG);
        Self { since: Instant::now(), bar, log, last: VecDeque::new(), partial: Vec::new() }
    }

    /// Takes what was written; returns the lines that are whole, without their ends.
    fn take(&mut self, bytes: &[u8]) -> Vec<Vec<u8>> {
        // Where the disk is full, the log is the least of the troubles.
        let _ = self.log.write_all(bytes);
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

    fn show(&mut self, step: usize, line: &[u8], show: &Show<'_>) {
        let text = String::from_utf8_lossy(line);
        let text = text.trim_end_matches('\r');
        show.step_line(step, &format!("#{} {:.3} {text}", step + 1, self.since.elapsed().as_secs_f64()));
        if let Some(bar) = &self.bar {
            self.last.push_back(text.trim().to_owned());
            while self.last.len() > show.log_lines {
                self.last.pop_front();
            }
            let lines = self.last.iter().cloned().collect::<Vec<_>>();
            let separator = if show.log_lines > 1 { "\n   " } else { "" };
            bar.set_message(format!("{}{}", separator, lines.join(separator)));
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
    groups: Option<&'a Mutex<Groups>>,
    log_lines: usize,
}

impl Show<'_> {
    /// A line of a log.
    fn line(&self, text: &str) {
        if self.mode == Mode::Lines {
            output::say(text);
        }
    }

    /// The first line of a step.
    fn begin(&self, step: usize, title: &str) {
        match self.groups {
            Some(_) => self.with_groups(|groups| groups.begin(step, title)),
            None => self.line(title),
        }
    }

    /// A line of a step's log.
    fn step_line(&self, step: usize, text: &str) {
        match self.groups {
            Some(_) => self.with_groups(|groups| groups.line(step, text)),
            None => self.line(text),
        }
    }

    fn with_groups(&self, act: impl FnOnce(&mut Groups)) {
        if let Some(groups) = self.groups {
            act(&mut groups.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
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
        let style = match self.log_lines {
            0 => ProgressStyle::with_template("{spinner} {prefix} {elapsed}"),
            1 => ProgressStyle::with_template("{spinner} {prefix} {elapsed} {wide_msg:.dim}"),
            _ => ProgressStyle::with_template("{spinner} {prefix} {elapsed} {msg:.dim}"),
        };
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
    use std::io::{Read, Seek};

    #[test]
    fn lines_are_whole_and_never_clipped() {
        let mut running = Running::new(None);
        assert!(running.take(b"one, ").is_empty());
        assert_eq!(running.take(b"still one\ntwo\nthr"), [b"one, still one".to_vec(), b"two".to_vec()]);
        assert_eq!(running.partial, b"thr");
        let long = vec![b'x'; 300_000];
        assert!(running.take(&long).is_empty());
        assert_eq!(running.take(b"\n")[0].len(), 300_003);
        running.log.rewind().unwrap();
        let mut log = Vec::new();
        running.log.read_to_end(&mut log).unwrap();
        assert!(log.starts_with(b"one, still one\n") && log.len() == 300_023, "{}", log.len());
    }
}
