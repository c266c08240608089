//! The output of one running step: lines for the progress, and all of it for the case that the step fails.

use std::borrow::Cow;
use std::io::{self, BufRead, BufReader, Read, Seek, Write};
use std::time::Instant;

use tempfile::SpooledTempFile;

use super::cells::one_line;
use super::escapes::Escapes;
use super::row::Row;
use super::screen::{Place, Screen};
use super::show::Show;

/// A step that goes on.
pub(super) struct Running {
    pub(super) since: Instant,
    /// Its row, where rows are shown.
    pub(super) place: Option<Place>,
    /// All that the step wrote.
    pub(super) log: Log,
    /// The beginning of a line whose end has not come yet.
    partial: Vec<u8>,
}

/// As much of a step's output is kept in memory, in bytes; more goes to the disk.
const KEPT_LOG: usize = 1 << 20;
/// A line that is longer is told in pieces, in bytes.
const LONGEST: usize = 1 << 20;

impl Running {
    pub(super) fn new(place: Option<Place>) -> Self {
        Self { since: Instant::now(), place, log: Log::new(), partial: Vec::new() }
    }

    /// Takes what was written; returns the lines that are whole, without their ends.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Vec<Vec<u8>> {
        // Where the disk is full, the log is the least of the troubles.
        let _ = self.log.0.write_all(bytes);
        self.partial.extend_from_slice(bytes);
        let mut lines: Vec<Vec<u8>> = self.partial.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
        self.partial = lines.pop().unwrap_or_default();
        if self.partial.len() >= LONGEST {
            lines.push(std::mem::take(&mut self.partial));
        }
        lines
    }

    /// The line whose end has not come, if it has been written again and again by carriage returns.
    pub(super) fn rewritten(&self) -> Option<&[u8]> {
        Some(self.partial.as_slice()).filter(|partial| partial.contains(&b'\r'))
    }

    /// Shows a line in the build's mode, and behind the step's name.
    pub(super) fn show(&self, step: usize, line: &[u8], show: &Show) {
        let text = String::from_utf8_lossy(line);
        let text = text.trim_end_matches('\r');
        let clock = self.since.elapsed().as_secs_f64();
        show.step_line(step, &format!("#{} {clock:.3} {}", step + 1, presentable(text)));
        self.tell(text);
    }

    /// Shows a line behind the step's name.
    pub(super) fn tell(&self, text: &str) {
        let Some(place) = self.place else { return };
        let text = one_line(text);
        Screen::get().change(place, |row| {
            if let Row::Step(step) = row
                && !text.is_empty()
            {
                step.last.push_back(text);
                step.last.drain(..step.last.len().saturating_sub(step.shown));
            }
        });
    }

    /// The rest without an end of line.
    pub(super) fn rest(&mut self) -> Option<Vec<u8>> {
        Some(std::mem::take(&mut self.partial)).filter(|rest| !rest.is_empty())
    }
}

/// All that a step wrote.
pub(super) struct Log(SpooledTempFile);

impl Log {
    pub(super) fn new() -> Self {
        Self(tempfile::spooled_tempfile(KEPT_LOG))
    }

    /// Writes it to standard error: as it is, or for a terminal without what would move its cursor or clear it.
    pub(super) fn tell(&mut self) -> io::Result<()> {
        const PIECE: u64 = 64 * 1024;
        self.0.rewind()?;
        let mut reader = BufReader::new(&mut self.0);
        let screen = Screen::get();
        let mut escapes = screen.program_text().map(Escapes::new);
        let (mut piece, mut last, mut is_coloured) = (Vec::new(), b'\n', false);
        while reader.by_ref().take(PIECE).read_until(b'\n', &mut piece)? > 0 {
            last = piece.last().copied().unwrap_or(last);
            if let Some(escapes) = &mut escapes {
                let text = escapes.pass(&String::from_utf8_lossy(&piece));
                is_coloured |= text.contains('\x1b');
                piece = text.into_bytes();
            }
            screen.write(&piece);
            piece.clear();
        }
        screen.write(if is_coloured { NO_COLOUR.as_bytes() } else { b"" });
        screen.write(if last == b'\n' { b"" } else { b"\n" });
        Ok(())
    }
}

/// What ends colours.
const NO_COLOUR: &str = "\x1b[0m";

/// A line as it is; on a terminal without what would move its cursor.
fn presentable(line: &str) -> Cow<'_, str> {
    let Some(keep) = Screen::get().program_text() else { return line.into() };
    let last = line.split('\r').rev().find(|part| !part.trim().is_empty()).unwrap_or_default();
    let text = Escapes::new(keep).pass(last);
    if text.contains('\x1b') { (text + NO_COLOUR).into() } else { text.into() }
}

#[cfg(test)]
mod tests {
    use super::{LONGEST, Running};
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
        running.log.0.rewind().unwrap();
        let mut log = Vec::new();
        running.log.0.read_to_end(&mut log).unwrap();
        assert!(log.starts_with(b"one, still one\n") && log.len() == 300_023, "{}", log.len());
    }

    #[test]
    fn a_line_without_end_does_not_fill_the_memory() {
        let mut running = Running::new(None);
        let piece = vec![b'x'; 100_000];
        let told: usize = (0..100).flat_map(|_| running.take(&piece)).map(|line| line.len()).sum();
        assert!(running.partial.len() < LONGEST);
        assert_eq!(told + running.rest().map_or(0, |rest| rest.len()), 10_000_000);
        running.take(b"1%\r2%\r");
        assert_eq!(running.rewritten(), Some(&b"1%\r2%\r"[..]));
    }
}
