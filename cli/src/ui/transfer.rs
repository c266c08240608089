//! Progress of things that move in several pieces: pull, push, save, load, import.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use super::Mode;
use super::cells::one_line;
use super::row::{PieceRow, Row};
use super::screen::{Place, Screen};
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
    pieces: Mutex<BTreeMap<String, Place>>,
}

impl Transfer {
    /// Progress of pieces that are being `verb` (`Downloading`).
    pub(crate) fn new(mode: Mode, verb: &'static str) -> Self {
        Self { mode, verb, pieces: Mutex::default() }
    }

    /// Shows what happened to the piece `name`.
    pub(crate) fn step(&self, name: &str, step: Step) {
        match self.mode {
            Mode::Quiet | Mode::Documents => {}
            Mode::Bars if Screen::get().can_draw() => self.row(name, step),
            Mode::Lines | Mode::Bars => self.line(name, &step),
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

    fn row(&self, name: &str, step: Step) {
        let mut pieces = self.pieces.lock().unwrap_or_else(PoisonError::into_inner);
        if let Step::Done(word) = step {
            let text = format!("{name}: {word}");
            return match pieces.remove(name) {
                Some(place) => Screen::get().remove(place, &text),
                None => output::say(&text),
            };
        }
        let place = *pieces.entry(name.to_owned()).or_insert_with(|| Screen::get().put(None, self.new_row(name)));
        Screen::get().change(place, |row| {
            let Row::Piece(piece) = row else { return };
            match step {
                Step::Started(size) => *piece = PieceRow { total: size.unwrap_or(0), done: 0, ..self.new_piece(name) },
                Step::Moved(bytes) => piece.done = bytes,
                Step::Note(text) => piece.verb = one_line(&text),
                Step::Done(_) => {}
            }
        });
    }

    fn new_row(&self, name: &str) -> Row {
        Row::Piece(self.new_piece(name))
    }

    fn new_piece(&self, name: &str) -> PieceRow {
        let (name, verb) = (one_line(name), self.verb.to_owned());
        PieceRow { name, verb, since: Instant::now(), done: 0, total: 0 }
    }
}

impl Drop for Transfer {
    /// Pieces that were not moved to their end leave no rows.
    fn drop(&mut self) {
        let pieces = self.pieces.get_mut().unwrap_or_else(PoisonError::into_inner);
        pieces.values().for_each(|place| Screen::get().remove(*place, ""));
    }
}
