//! The terminal on standard error: lines that stay, and below them rows that change (`row.rs`). There is one terminal, so
//! there is one screen, and all that is told goes through it: nothing is written into the midst of the rows.
//!
//! The cursor rests in the empty line below the rows. Whenever the process ends, the terminal is in order.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{IsTerminal, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use super::cells::width;
use super::escapes::Keep;
use super::row::{Line, Row, beside};
use super::size::Size;
use crate::environment::Environment;

/// A row's place: rows stand in their order.
pub(crate) type Place = u64;

/// The place of the row that stands below all others.
pub(crate) const LAST: Place = Place::MAX;
/// How long a drawing stays.
const FRAME: Duration = Duration::from_millis(100);

/// The screen.
pub(crate) struct Screen(Mutex<State>);

static SCREEN: Screen = Screen(Mutex::new(State {
    rows: BTreeMap::new(),
    next: 0,
    drawn: Vec::new(),
    is_ticking: false,
    program_text: None,
    means: None,
}));

struct State {
    rows: BTreeMap<Place, Row>,
    next: Place,
    /// The width of each line that was drawn and stands there.
    drawn: Vec<usize>,
    is_ticking: bool,
    /// What of a program's output may be written; all of it where there is no terminal.
    program_text: Option<Keep>,
    /// None where nothing can be drawn.
    means: Option<Means>,
}

/// How the terminal is drawn on.
#[derive(Debug, Clone, Copy)]
struct Means {
    fallback: Size,
    is_dimmed: bool,
}

impl Screen {
    /// The terminal's.
    pub(crate) fn get() -> &'static Self {
        &SCREEN
    }

    /// Looks whether standard error is a terminal that can be drawn on. Until then rows are not shown.
    pub(crate) fn set_up(&self, environment: &Environment) {
        if !std::io::stderr().is_terminal() {
            return;
        }
        let mut state = self.lock();
        if environment.get("TERM") == Some("dumb") {
            state.program_text = Some(Keep::Text);
            return;
        }
        state.program_text = Some(Keep::Colours);
        state.means = Some(Means { fallback: Size::of(environment), is_dimmed: !environment.no_color() });
    }

    /// What of a program's output may be written to the screen, so that it stays in order; all where there is none.
    pub(crate) fn program_text(&self) -> Option<Keep> {
        self.lock().program_text
    }

    /// Whether rows are seen.
    pub(crate) fn can_draw(&self) -> bool {
        self.lock().means.is_some()
    }

    /// Cells of a line that does not wrap.
    pub(crate) fn room(&self) -> Option<usize> {
        self.lock().means.map(Means::size).map(room)
    }

    /// Writes bytes that stay, whole lines, above the rows.
    pub(crate) fn write(&self, bytes: &[u8]) {
        self.lock().draw(bytes);
    }

    /// Shows a row at its place, or at a new one below the others.
    pub(crate) fn put(&'static self, place: Option<Place>, row: Row) -> Place {
        let place = place.unwrap_or_else(|| {
            let mut state = self.lock();
            state.next += 1;
            state.next
        });
        self.set(place, row);
        place
    }

    /// Shows a row at its place.
    pub(crate) fn set(&'static self, place: Place, row: Row) {
        let mut state = self.lock();
        state.rows.insert(place, row);
        if state.means.is_some() && !state.is_ticking {
            let tick = thread::Builder::new().name("screen".to_owned()).spawn(|| self.tick());
            // Without the thread rows are drawn when something else is told.
            state.is_ticking = tick.is_ok();
        }
    }

    /// Changes a row, if it is there.
    pub(crate) fn change(&self, place: Place, act: impl FnOnce(&mut Row)) {
        if let Some(row) = self.lock().rows.get_mut(&place) {
            act(row);
        }
    }

    /// Takes a row away and leaves `text` above the rows: one line, or nothing if it is empty.
    pub(crate) fn remove(&self, place: Place, text: &str) {
        let mut state = self.lock();
        state.rows.remove(&place);
        if !text.is_empty() {
            state.draw(format!("{text}\n").as_bytes());
        } else if state.rows.is_empty() {
            state.draw(b"");
        }
    }

    /// Takes all rows away.
    pub(crate) fn clear(&self) {
        let mut state = self.lock();
        state.rows.clear();
        state.draw(b"");
    }

    /// Draws until there are no rows.
    fn tick(&self) {
        loop {
            thread::sleep(FRAME);
            let mut state = self.lock();
            if state.rows.is_empty() {
                state.is_ticking = false;
                return;
            }
            state.draw(b"");
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Means {
    fn size(self) -> Size {
        self.fallback.now()
    }
}

/// The last column stays free: terminals differ in what they do with a line that fills it.
fn room(size: Size) -> usize {
    size.columns.saturating_sub(1)
}

impl State {
    /// Writes `above` in the place of the rows and the rows below it, at once.
    fn draw(&mut self, above: &[u8]) {
        let Some(means) = self.means.filter(|_| !(self.rows.is_empty() && self.drawn.is_empty())) else {
            return write(above);
        };
        let size = means.size();
        let mut drawing = b"\x1b[?25l".to_vec();
        drawing.extend(self.erase(size).bytes());
        for piece in above.split_inclusive(|byte| *byte == b'\n') {
            let line = piece.strip_suffix(b"\n").unwrap_or(piece);
            drawing.extend_from_slice(line);
            drawing.extend_from_slice(if line.len() < piece.len() { b"\r\n" } else { b"" });
        }
        let lines = frame(&self.rows, size);
        let dim = if means.is_dimmed { ["\x1b[2m", "\x1b[0m"] } else { ["", ""] };
        for Line { text, dim: dimmed } in &lines {
            let dimmed = if dimmed.is_empty() { String::new() } else { format!("{}{dimmed}{}", dim[0], dim[1]) };
            drawing.extend(format!("{text}{dimmed}\r\n").bytes());
        }
        self.drawn = lines.iter().map(|line| width(&line.text) + width(&line.dim)).collect();
        drawing.extend_from_slice(b"\x1b[?25h");
        write(&drawing);
    }

    /// Moves the cursor to where the first row begins, and takes all from there on away. A terminal that became narrower
    /// has broken the lines anew.
    fn erase(&self, size: Size) -> String {
        let up: usize = self.drawn.iter().map(|width| width.div_ceil(size.columns).max(1)).sum();
        let mut text = String::new();
        if up > 0 {
            // Writing to a text cannot fail.
            let _ = write!(text, "\r\x1b[{}A\x1b[J", up.min(size.rows.saturating_sub(1)).max(1));
        }
        text
    }
}

/// The rows as lines, as many as there is room for above the cursor's.
fn frame(rows: &BTreeMap<Place, Row>, size: Size) -> Vec<Line> {
    let (room, height) = (room(size), size.rows.saturating_sub(1));
    let below: usize = rows.values().map(|row| row.below(room).len()).sum();
    let has_room = rows.len() + below <= height;
    let mut lines: Vec<Line> = Vec::new();
    for row in rows.values() {
        lines.push(row.line(room));
        if has_room {
            lines.extend(row.below(room));
        }
    }
    if lines.len() <= height {
        return lines;
    }
    // The last line is the sum of all: it stays.
    let last = lines.pop();
    let hidden = lines.len() - height.saturating_sub(2).min(lines.len());
    lines.truncate(height.saturating_sub(2));
    let more = super::cells::fit(&beside("", &format!("and {hidden} more")), room);
    lines.push(Line { text: more, dim: String::new() });
    lines.extend(last);
    lines.truncate(height);
    lines
}

/// Nothing can be done if standard error is closed.
fn write(bytes: &[u8]) {
    if !bytes.is_empty() {
        let mut out = std::io::stderr().lock();
        let _ = out.write_all(bytes).and_then(|()| out.flush());
    }
}

#[cfg(test)]
mod tests {
    use super::{BTreeMap, LAST, Line, Place, Row, Size, frame};
    use crate::ui::row::StepRow;
    use std::time::Instant;

    fn rows(count: u64, shown: usize) -> BTreeMap<Place, Row> {
        let since = Instant::now();
        let row = |number: u64| {
            let last = ["a".to_owned(), "b".to_owned()].into();
            (number, Row::Step(StepRow { title: format!("step {number}"), since, last, shown }))
        };
        (0..count).map(row).chain([(LAST, Row::Sum { since, done: 0, of: 9 })]).collect()
    }

    fn lines(rows: &BTreeMap<Place, Row>, height: usize) -> Vec<String> {
        let lines = frame(rows, Size { columns: 80, rows: height });
        assert!(lines.len() < height.max(1), "{} in {height}", lines.len());
        let name = |line: &Line| line.text.trim_start().split("  ").last().unwrap_or_default().to_owned();
        lines.iter().map(name).collect()
    }

    #[test]
    fn more_rows_than_lines() {
        assert_eq!(lines(&rows(2, 0), 24), ["step 0", "step 1", "0 of 9 steps"]);
        assert_eq!(lines(&rows(9, 0), 5), ["step 0", "step 1", "and 7 more", "0 of 9 steps"]);
        (1..12).for_each(|height| drop(lines(&rows(9, 0), height)));
    }

    #[test]
    fn output_below_the_rows_gives_way_first() {
        assert_eq!(lines(&rows(2, 2), 24).len(), 7);
        assert_eq!(lines(&rows(2, 2), 7).len(), 3);
    }
}
