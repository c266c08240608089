//! Progress of things that move in several pieces: pull, push, save, load, import.

use std::collections::BTreeMap;
use std::sync::Mutex;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::Mode;
use crate::format::human;
use crate::output;

/// What happened to one piece.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// It begins, with its size in bytes if that is known.
    Started(Option<u64>),
    /// So many bytes of it are there in all.
    Moved(u64),
    /// It is done; the word says what, such as `Pull complete`.
    Done(&'static str),
    /// A remark, such as `Retrying in 2s`.
    Note(String),
}

/// Shows pieces by name. Shared by the threads that move them.
pub(crate) struct Transfer {
    mode: Mode,
    /// What is said when a piece begins, such as `Downloading`.
    verb: &'static str,
    bars: MultiProgress,
    pieces: Mutex<BTreeMap<String, ProgressBar>>,
}

/// How often a second the bars are drawn.
const DRAWS_A_SECOND: u8 = 10;

impl Transfer {
    /// Progress of pieces that are being `verb` (`Downloading`).
    pub(crate) fn new(mode: Mode, verb: &'static str) -> Self {
        let bars = match mode {
            Mode::Bars => MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(DRAWS_A_SECOND)),
            Mode::Lines | Mode::Documents | Mode::Quiet => {
                MultiProgress::with_draw_target(ProgressDrawTarget::hidden())
            }
        };
        Self { mode, verb, bars, pieces: Mutex::default() }
    }

    /// Shows what happened to the piece `name`.
    pub(crate) fn step(&self, name: &str, step: Step) {
        match self.mode {
            Mode::Quiet | Mode::Documents => {}
            Mode::Lines => self.line(name, &step),
            Mode::Bars => self.bar(name, step),
        }
    }

    fn line(&self, name: &str, step: &Step) {
        match step {
            Step::Started(Some(size)) => output::say(&format!("{name}: {} {}", self.verb, human::size(*size))),
            Step::Started(None) => output::say(&format!("{name}: {}", self.verb)),
            Step::Moved(_) => {}
            Step::Done(word) => output::say(&format!("{name}: {word}")),
            Step::Note(text) => output::say(&format!("{name}: {text}")),
        }
    }

    fn bar(&self, name: &str, step: Step) {
        let mut pieces = self.pieces.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let bar = pieces.entry(name.to_owned()).or_insert_with(|| self.new_bar(name));
        match step {
            Step::Started(size) => {
                bar.set_length(size.unwrap_or(0));
                bar.set_message(self.verb);
            }
            Step::Moved(bytes) => bar.set_position(bytes),
            Step::Note(text) => bar.set_message(text),
            Step::Done(word) => {
                bar.set_style(style("{prefix}: {msg}"));
                bar.finish_with_message(word);
            }
        }
    }

    fn new_bar(&self, name: &str) -> ProgressBar {
        let bar = self.bars.add(ProgressBar::new(0));
        bar.set_style(style("{prefix}: {msg} [{bar:32}] {bytes}/{total_bytes} {bytes_per_sec}").progress_chars("=> "));
        bar.set_prefix(name.to_owned());
        bar
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
