//! Takes out of a program's output what would move a terminal's cursor, clear it or change its modes (ECMA-48).
//!
//! What it keeps is text and, for logs, colours. It knows nothing of lines and widths (`cells.rs`).

/// What stays besides text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keep {
    /// Nothing but tabs and ends of lines.
    Text,
    /// Colours and carriage returns, too.
    Colours,
}

/// A filter that may be given its text in pieces.
#[derive(Debug)]
pub(crate) struct Escapes {
    keep: Keep,
    state: State,
    /// The control sequence that is being read, from its parameters on.
    sequence: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Text,
    /// After ESC, and after ESC with intermediate bytes.
    Escape,
    /// After ESC `[`.
    Control,
    /// In a string such as a window's title, which BEL or ESC `\` ends.
    String,
    StringEscape,
}

/// A control sequence that is longer is none that a terminal would obey.
const LONGEST: usize = 64;

impl Escapes {
    /// A filter that keeps this.
    pub(crate) fn new(keep: Keep) -> Self {
        Self { keep, state: State::Text, sequence: String::new() }
    }

    /// What is left of `text`, which goes on where the text before ended.
    pub(crate) fn pass(&mut self, text: &str) -> String {
        let mut kept = String::with_capacity(text.len());
        text.chars().for_each(|char| self.take(char, &mut kept));
        kept
    }

    fn take(&mut self, char: char, kept: &mut String) {
        self.state = match (self.state, char) {
            (State::String, '\x1b') => State::StringEscape,
            (State::String, '\x07' | '\u{9c}') | (State::StringEscape, '\\') => State::Text,
            (State::String, '\n') => self.text(char, kept),
            (State::String, _) => State::String,
            (_, '\x1b') => State::Escape,
            (State::Escape | State::StringEscape, '[') | (State::Text, '\u{9b}') => {
                self.sequence.clear();
                State::Control
            }
            (State::Escape | State::StringEscape, ']' | 'P' | 'X' | '^' | '_') => State::String,
            (State::Escape, '\x20'..='\x2f') => State::Escape,
            (State::Escape | State::StringEscape, '\x30'..='\x7e') => State::Text,
            (State::Control, _) => self.control(char, kept),
            (State::Text | State::Escape | State::StringEscape, _) => self.text(char, kept),
        };
    }

    fn text(&self, char: char, kept: &mut String) -> State {
        let stays = match char {
            '\n' | '\t' => true,
            '\r' | '\x08' => self.keep == Keep::Colours,
            // What turns text around would turn around dhow's own, too.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => false,
            _ => !char.is_control(),
        };
        if stays {
            kept.push(char);
        }
        State::Text
    }

    fn control(&mut self, char: char, kept: &mut String) -> State {
        match char {
            '\x20'..='\x3f' if self.sequence.len() < LONGEST => {
                self.sequence.push(char);
                State::Control
            }
            'm' if self.keep == Keep::Colours && is_colour(&self.sequence) => {
                kept.push_str("\x1b[");
                kept.push_str(&self.sequence);
                kept.push('m');
                State::Text
            }
            '\x40'..='\x7e' => State::Text,
            _ => self.text(char, kept),
        }
    }
}

/// Whether the parameters are those of "select graphic rendition".
fn is_colour(parameters: &str) -> bool {
    parameters.chars().all(|char| char.is_ascii_digit() || matches!(char, ';' | ':'))
}

#[cfg(test)]
mod tests {
    use super::{Escapes, Keep};

    fn kept(keep: Keep, text: &str) -> String {
        Escapes::new(keep).pass(text)
    }

    #[test]
    fn only_colours_pass() {
        for (text, in_logs, in_lines) in [
            ("a\tb\n", "a\tb\n", "a\tb\n"),
            ("\x1b[31mred\x1b[0m", "\x1b[31mred\x1b[0m", "red"),
            ("\x1b[38;2;1;2;3mx\x1b[4:3my", "\x1b[38;2;1;2;3mx\x1b[4:3my", "xy"),
            ("\x1b[2J\x1b[H\x1b[?1049hx\x1b[5A", "x", "x"),
            ("\x1b]0;title\x07x\x1b]8;;http://a\x1b\\y", "xy", "xy"),
            ("\x1bcx\x1b(0y\x0e\x07z", "xyz", "xyz"),
            ("\u{9b}2Jx\u{85}", "x", "x"),
            ("1%\r2%", "1%\r2%", "1%2%"),
            ("\x1b[>4;1mx", "x", "x"),
            ("a\u{202e}b", "ab", "ab"),
            ("\x1b]0;no end\nnext", "\nnext", "\nnext"),
            ("日本\x1b[", "日本", "日本"),
        ] {
            assert_eq!(kept(Keep::Colours, text), in_logs, "{text:?}");
            assert_eq!(kept(Keep::Text, text), in_lines, "{text:?}");
        }
    }

    #[test]
    fn a_sequence_may_come_in_pieces() {
        let mut escapes = Escapes::new(Keep::Colours);
        let pieces = ["a\x1b", "[3", "1mb\x1b[", "2Jc"].map(|piece| escapes.pass(piece));
        assert_eq!(pieces.concat(), "a\x1b[31mbc");
    }
}
