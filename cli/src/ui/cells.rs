//! Text as a terminal's cells: how wide it is, and what of it fits. Widths are an upper bound of what terminals make of it
//! (Unicode Standard Annex 11), so that a line that fits never wraps.

use unicode_width::UnicodeWidthChar;

use super::escapes::{Escapes, Keep};

/// What stands for the rest of a text that does not fit.
const MORE: char = '…';

/// One line of a program's output, or a name, as one line of text: without control sequences, and as it looks when all
/// carriage returns have been obeyed.
pub(crate) fn one_line(text: &str) -> String {
    let shown = text.split('\r').rev().find(|part| !part.trim().is_empty()).unwrap_or_default();
    let text = Escapes::new(Keep::Text).pass(shown);
    // Joiners and selectors of variants make terminals disagree about the width.
    let visible = text.chars().filter(|char| !matches!(char, '\u{200d}' | '\u{fe00}'..='\u{fe0f}'));
    visible.map(|char| if matches!(char, '\t' | '\n') { ' ' } else { char }).collect::<String>().trim().to_owned()
}

/// The cells that `text` takes, which holds no control sequences.
pub(crate) fn width(text: &str) -> usize {
    text.chars().map(cells).sum()
}

/// As much of `text` as fits into so many cells.
pub(crate) fn fit(text: &str, room: usize) -> String {
    if width(text) <= room {
        return text.to_owned();
    }
    let mut fitting = String::new();
    let mut left = room.saturating_sub(1);
    for char in text.chars() {
        match left.checked_sub(cells(char)) {
            Some(rest) => left = rest,
            None => break,
        }
        fitting.push(char);
    }
    if room > 0 {
        fitting.push(MORE);
    }
    fitting
}

fn cells(char: char) -> usize {
    char.width().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::{fit, one_line, width};

    #[test]
    fn what_does_not_fit_is_cut_between_characters() {
        for (text, room, expected) in [
            ("abc", 3, "abc"),
            ("abcd", 3, "ab…"),
            ("日本語", 6, "日本語"),
            ("日本語", 5, "日本…"),
            ("日本語", 4, "日…"),
            ("e\u{301}e\u{301}e", 2, "e\u{301}…"),
            ("abc", 1, "…"),
            ("abc", 0, ""),
        ] {
            assert_eq!(fit(text, room), expected, "{text} in {room}");
            assert!(width(&fit(text, room)) <= room);
        }
    }

    #[test]
    fn a_line_is_what_is_left_of_it_at_its_end() {
        assert_eq!(one_line("10%\r 20%\r"), "20%");
        assert_eq!(one_line("\x1b[32m ok\tdone\x1b[0m\n"), "ok done");
        assert_eq!(one_line("\r\n"), "");
        assert_eq!(one_line("👨\u{200d}👩 ❤\u{fe0f}"), "👨👩 ❤");
    }
}
