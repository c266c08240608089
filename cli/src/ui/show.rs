//! How a build's steps are shown in its mode: lines, groups of them, or marks above the rows.

use std::sync::{Mutex, PoisonError};

use super::Mode;
use super::build::State;
use super::cells::fit;
use super::groups::Groups;
use super::palette::{Palette, Tone};
use super::screen::{LAST, Screen};
use crate::output;

/// What was chosen for one build.
pub(super) struct Show {
    pub(super) mode: Mode,
    /// Groups of a CI service's log.
    pub(super) groups: Option<Mutex<Groups>>,
    pub(super) palette: Palette,
    /// Whether names in lines are cut (`PROGRESS_NO_TRUNC=0`).
    pub(super) clips: bool,
    /// Last lines of a running step that are shown with its row.
    pub(super) log_lines: usize,
}

/// Characters of a name that is cut.
const CLIPPED: usize = 72;

impl Show {
    /// A line of a log.
    pub(super) fn line(&self, text: &str) {
        if self.mode == Mode::Lines {
            output::say(text);
        }
    }

    /// What a step's lines begin with.
    pub(super) fn first_line(&self, step: usize, title: &str) -> String {
        match title.char_indices().nth(CLIPPED).filter(|_| self.clips) {
            Some((end, _)) => format!("#{} {}...", step + 1, &title[..end]),
            None => format!("#{} {title}", step + 1),
        }
    }

    /// The first line of a step.
    pub(super) fn begin(&self, step: usize, title: &str) {
        match self.groups {
            Some(_) => self.with_groups(|groups| groups.begin(step, title)),
            None => self.line(title),
        }
    }

    /// A line of a step's log.
    pub(super) fn step_line(&self, step: usize, text: &str) {
        match self.groups {
            Some(_) => self.with_groups(|groups| groups.line(step, text)),
            None => self.line(text),
        }
    }

    /// The last line of a step.
    pub(super) fn end(&self, step: usize, outcome: &str) {
        self.step_line(step, &format!("#{} {outcome}", step + 1));
        self.with_groups(|groups| groups.end(step));
    }

    /// A text that stays above the rows. In a tone it is one line of the terminal's.
    pub(super) fn mark(&self, tone: Option<Tone>, text: &str) {
        if self.mode == Mode::Bars {
            let text = match (tone, Screen::get().room()) {
                (Some(tone), Some(room)) => self.palette.paint(tone, &fit(text, room)),
                _ => text.to_owned(),
            };
            output::say(&text);
        }
    }

    /// Shows how far the build has come.
    pub(super) fn sum(&self, state: &State) {
        if self.mode == Mode::Bars {
            Screen::get().set(LAST, state.sum());
        }
    }

    pub(super) fn with_groups(&self, act: impl FnOnce(&mut Groups)) {
        if let Some(groups) = &self.groups {
            act(&mut groups.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }
}
