//! A line at the bottom of the screen that changes while something goes on.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::cells::{fit, width};
use crate::format::human;

/// What goes on.
#[derive(Debug, Clone)]
pub(crate) enum Row {
    /// A step of a build.
    Step(StepRow),
    /// Something that is moved.
    Piece(PieceRow),
    /// A build.
    Sum {
        /// When it began.
        since: Instant,
        /// Steps that are done.
        done: usize,
        /// Steps that there are.
        of: usize,
    },
}

/// A step of a build with its clock and its last output.
#[derive(Debug, Clone)]
pub(crate) struct StepRow {
    /// What it is called, in one line.
    pub(crate) title: String,
    /// When it began.
    pub(crate) since: Instant,
    /// Its last lines, as many as are shown.
    pub(crate) last: VecDeque<String>,
    /// How many that are: one stands beside the name, more stand below.
    pub(crate) shown: usize,
}

/// Something that is moved, and how far that has come.
#[derive(Debug, Clone)]
pub(crate) struct PieceRow {
    /// What it is called.
    pub(crate) name: String,
    /// What is done with it.
    pub(crate) verb: String,
    /// When that began.
    pub(crate) since: Instant,
    /// Bytes that were moved.
    pub(crate) done: u64,
    /// Bytes that there are; 0 if nobody knows.
    pub(crate) total: u64,
}

/// A text for the screen: what stands out, and what stands back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) text: String,
    pub(super) dim: String,
}

/// Cells of the column with times, and of the gap after it.
const CLOCK: usize = 8;
const GAP: usize = 2;

/// A word or a time in its column, and what it is about.
pub(crate) fn beside(clock: &str, text: &str) -> String {
    format!("{clock:>CLOCK$}{:GAP$}{text}", "")
}

/// A time in its column, and what took it.
pub(crate) fn timed(elapsed: Duration, text: &str) -> String {
    beside(&human::elapsed(elapsed), text)
}

impl Row {
    /// The row itself, not wider than `room`.
    pub(super) fn line(&self, room: usize) -> Line {
        match self {
            Self::Step(step) => step.line(room),
            Self::Piece(piece) => Line { text: fit(&piece.text(room), room), dim: String::new() },
            Self::Sum { since, done, of } => {
                let text = timed(since.elapsed(), &format!("{done} of {of} steps"));
                Line { text: fit(&text, room), dim: String::new() }
            }
        }
    }

    /// The lines below it.
    pub(super) fn below(&self, room: usize) -> Vec<Line> {
        match self {
            Self::Step(step) if step.shown > 1 => {
                let line = |text: &String| Line { text: String::new(), dim: fit(&beside("", text), room) };
                step.last.iter().map(line).collect()
            }
            _ => Vec::new(),
        }
    }
}

impl StepRow {
    fn line(&self, room: usize) -> Line {
        let head = timed(self.since.elapsed(), "");
        let last = if self.shown == 1 { self.last.back().map_or("", String::as_str) } else { "" };
        let rest = room.saturating_sub(width(&head));
        if last.is_empty() {
            return Line { text: fit(&(head + &self.title), room), dim: String::new() };
        }
        // A long name and a long line share the room.
        let for_title = (rest * 3 / 5).max(rest.saturating_sub(GAP + width(last)));
        let text = head + &fit(&self.title, for_title);
        let dim = fit(last, room.saturating_sub(width(&text) + GAP));
        Line { text: fit(&text, room), dim: if dim.is_empty() { dim } else { format!("{:GAP$}{dim}", "") } }
    }
}

impl PieceRow {
    fn text(&self, room: usize) -> String {
        let head = format!("{}: {}", self.name, self.verb);
        let seconds = self.since.elapsed().as_secs_f64();
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a speed"
        )]
        let speed = if seconds > 0.5 { (self.done as f64 / seconds) as u64 } else { 0 };
        let speed = if speed > 0 { format!(" {}/s", human::size(speed)) } else { String::new() };
        if self.total == 0 {
            let moved = if self.done > 0 { format!(" {}", human::size(self.done)) } else { String::new() };
            return format!("{head}{moved}{speed}");
        }
        let tail = format!(" {}/{}{speed}", human::size(self.done), human::size(self.total));
        match room.checked_sub(width(&head) + width(&tail) + 3) {
            Some(left) if left >= 8 => format!("{head} [{}]{tail}", self.bar(left.min(32))),
            _ => head + &tail,
        }
    }

    fn bar(&self, cells: usize) -> String {
        let share = u128::from(self.done.min(self.total)) * cells as u128 / u128::from(self.total.max(1));
        let full = usize::try_from(share).unwrap_or(cells);
        let head = if full < cells { ">" } else { "" };
        format!("{:cells$}", "=".repeat(full) + head)
    }
}

#[cfg(test)]
mod tests {
    use super::{Instant, PieceRow, Row, StepRow};
    use crate::ui::cells::width;

    fn step(title: &str, last: &[&str], shown: usize) -> Row {
        let last = last.iter().map(|line| (*line).to_owned()).collect();
        Row::Step(StepRow { title: title.to_owned(), since: Instant::now(), last, shown })
    }

    #[test]
    fn names_and_output_share_the_line() {
        let told = |row: &Row, room: usize| {
            let line = row.line(room);
            line.text + "|" + &line.dim
        };
        assert_eq!(told(&step("[1/2] RUN x", &["out"], 1), 40), "    0.0s  [1/2] RUN x|  out");
        assert_eq!(told(&step("[1/2] RUN x", &[], 1), 16), "    0.0s  [1/2]…|");
        let both = step(&"t".repeat(50), &[&"日".repeat(50)], 1);
        assert_eq!(told(&both, 40), format!("    0.0s  {}…|  日日日日…", "t".repeat(17)));
        for room in 0..100 {
            let line = both.line(room);
            assert!(width(&line.text) + width(&line.dim) <= room, "{room}: {line:?}");
        }
        let below = step("x", &["a", "b"], 3);
        assert_eq!(told(&below, 40), "    0.0s  x|");
        assert_eq!(below.below(40).iter().map(|line| line.dim.trim()).collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn a_bar_is_left_out_where_there_is_no_room() {
        let piece = PieceRow {
            name: "a1b2".to_owned(),
            verb: "Downloading".to_owned(),
            since: Instant::now(),
            done: 5_000_000,
            total: 10_000_000,
        };
        let row = |piece: &PieceRow, room| Row::Piece(piece.clone()).line(room).text;
        assert_eq!(row(&piece, 40), "a1b2: Downloading [=====>     ] 5MB/10MB");
        assert_eq!(row(&piece, 30), "a1b2: Downloading 5MB/10MB");
        assert_eq!(row(&PieceRow { done: 10_000_000, ..piece.clone() }, 80).matches('=').count(), 32);
        assert_eq!(row(&PieceRow { total: 0, done: 0, ..piece }, 80), "a1b2: Downloading");
    }
}
