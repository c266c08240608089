//! The colours of a build's progress: BuildKit's `BUILDKIT_COLORS`, and `NO_COLOR` (no-color.org).

use crate::environment::Environment;

/// What a line is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    /// A step that is done.
    Run,
    /// A step that was stopped.
    Cancel,
    /// A step that failed.
    Error,
    /// Something that is odd.
    Warning,
}

/// The parameters of "select graphic rendition" for each tone, in the order of [`Tone`]; empty for no colours.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Palette(Vec<String>);

/// Names of colours, in the order of their numbers.
const NAMES: [&str; 8] = ["black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"];
const TONES: [&str; 4] = ["run", "cancel", "error", "warning"];

impl Palette {
    /// The user's colours, and a line for each part of `BUILDKIT_COLORS` that is none.
    pub(super) fn of(environment: &Environment) -> (Self, Vec<String>) {
        if environment.no_color() {
            return (Self::default(), Vec::new());
        }
        let mut palette = Self(["34", "33", "31", "33"].map(str::to_owned).to_vec());
        let parts = environment.get("BUILDKIT_COLORS").unwrap_or_default().split(':').filter(|part| !part.is_empty());
        let wrong = parts.filter_map(|part| palette.set(part).err().map(|why| warning(part, &why))).collect();
        (palette, wrong)
    }

    /// `text` in the tone's colour.
    pub(super) fn paint(&self, tone: Tone, text: &str) -> String {
        match self.0.get(tone as usize) {
            Some(colour) => format!("\x1b[{colour}m{text}\x1b[0m"),
            None => text.to_owned(),
        }
    }

    fn set(&mut self, part: &str) -> Result<(), String> {
        let Some((key, value)) = part.split_once('=') else { return Err("it has no `=`".to_owned()) };
        let key = key.to_ascii_lowercase();
        let place = TONES.iter().position(|tone| *tone == key);
        let place = place.ok_or_else(|| format!("there are only {}", TONES.join(", ")))?;
        self.0[place] = colour(value)?;
        Ok(())
    }
}

fn warning(part: &str, why: &str) -> String {
    format!("warning: `{}` in BUILDKIT_COLORS is not taken: {why}", super::cells::one_line(part))
}

/// A name, or red, green and blue from 0 to 255.
fn colour(text: &str) -> Result<String, String> {
    if text.contains(',') {
        let fields: Vec<u8> = text.split(',').filter_map(|field| field.trim().parse().ok()).collect();
        return match (fields.as_slice(), text.split(',').count()) {
            ([red, green, blue], 3) => Ok(format!("38;5;{}", nearest([*red, *green, *blue]))),
            _ => Err("a colour is three numbers from 0 to 255".to_owned()),
        };
    }
    let name = text.to_ascii_lowercase();
    if name == "default" {
        return Ok("39".to_owned());
    }
    let (name, first) = name.strip_prefix("light-").map_or((name.as_str(), 30), |name| (name, 90));
    match NAMES.iter().position(|known| *known == name) {
        Some(number) => Ok((first + number).to_string()),
        None => Err(format!("the colours are default, {}, these with light-, and R,G,B", NAMES.join(", "))),
    }
}

/// The number in the cube of 6 × 6 × 6 colours that all terminals with 256 of them have.
fn nearest(rgb: [u8; 3]) -> u32 {
    let level = |value: u8| (u32::from(value) * 5 + 127) / 255;
    16 + 36 * level(rgb[0]) + 6 * level(rgb[1]) + level(rgb[2])
}

#[cfg(test)]
mod tests {
    use super::{Palette, Tone};
    use crate::environment::Environment;

    fn painted(colors: &str) -> (Vec<String>, usize) {
        let (palette, wrong) = Palette::of(&Environment::from([("BUILDKIT_COLORS", colors)]));
        let tones = [Tone::Run, Tone::Cancel, Tone::Error, Tone::Warning];
        (tones.map(|tone| palette.paint(tone, "x").replace("\x1b[", "")).to_vec(), wrong.len())
    }

    #[test]
    fn colours_have_names_and_numbers() {
        assert_eq!(painted("").0, ["34mx0m", "33mx0m", "31mx0m", "33mx0m"]);
        let (tones, wrong) = painted("run=green:CANCEL=Light-Blue:error=255,0,0:warning=default");
        assert_eq!((tones, wrong), (["32mx0m", "94mx0m", "38;5;196mx0m", "39mx0m"].map(str::to_owned).to_vec(), 0));
    }

    #[test]
    fn what_is_wrong_is_told_and_leaves_the_rest() {
        let (tones, wrong) = painted("run=green:error=pink:walk=red:warning=1,2:cancel=300,1,1:x");
        assert_eq!((tones[0].as_str(), tones[2].as_str(), wrong), ("32mx0m", "31mx0m", 5));
        let (palette, _) = Palette::of(&Environment::from([("NO_COLOR", "1"), ("BUILDKIT_COLORS", "run=red")]));
        assert_eq!(palette.paint(Tone::Run, "x"), "x");
    }
}
