//! What the lines of a Dockerfile weigh: bytes that each adds, bytes that later lines replace or delete, largest files.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::path::PathBuf;

use dhow_builder::Built;
use dhow_builder::source::SourceFile;
use dhow_layer_store::{FileKind, Image, Layer, LayerId, Metadata, Root, Store};

use super::shadow::{Owner, Shadows};
use crate::exit::Exit;
use crate::format::human;
use crate::problem::Problem;

/// How many lines or files are named.
const NAMED: usize = 8;
/// Files smaller than this are not worth a line, in bytes.
const WORTH_NAMING: u64 = 1_000_000;
/// Less is not worth telling of, in bytes.
const WORTH_TELLING: u64 = 10_000;

/// A line of the Dockerfile that made a layer of the image.
#[derive(Debug, Clone)]
pub(super) struct Line {
    /// Its number, from 1.
    number: usize,
    /// The beginning of the instruction.
    text: String,
    /// The step's place in the plan.
    pub(super) step: usize,
    /// What it adds, uncompressed.
    pub(super) bytes: u64,
    layer: LayerId,
}

impl Line {
    /// How people are told of it.
    pub(super) fn name(&self) -> String {
        format!("line {} (`{}`)", self.number, self.text)
    }
}

/// The lines of what was built, lowest layer first.
///
/// # Errors
/// A layer cannot be read.
pub(super) fn lines(store: &Store, built: &Built, dockerfile: &SourceFile) -> anyhow::Result<Vec<Line>> {
    const SHOWN: usize = 50;
    let line = |layer: &dhow_builder::BuiltLayer| {
        let number = dockerfile.line(layer.span.start);
        let mut text: String = dockerfile.line_text(number).trim().trim_end_matches('\\').trim_end().to_owned();
        if let Some((end, _)) = text.char_indices().nth(SHOWN) {
            text.truncate(end);
            text.push('…');
        }
        let bytes = store.layer(&layer.layer)?.size()?;
        Ok(Line { number, text, step: layer.step.0, bytes, layer: layer.layer.clone() })
    };
    built.layers.iter().map(line).collect()
}

/// Checks `--size-limit`.
///
/// # Errors
/// The image is larger.
pub(super) fn check(size: u64, limit: u64, lines: &[Line]) -> Result<(), Problem> {
    if size <= limit {
        return Ok(());
    }
    let mut heaviest: Vec<&Line> = lines.iter().filter(|line| line.bytes > 0).collect();
    heaviest.sort_by_key(|line| Reverse(line.bytes));
    let named: Vec<String> =
        heaviest.iter().take(NAMED).map(|line| format!("  {:>8}  {}", human::size(line.bytes), line.name())).collect();
    let base = size.saturating_sub(lines.iter().map(|line| line.bytes).sum());
    let mut text = format!("the image has {}, the limit is {}", human::size(size), human::size(limit));
    for line in named.into_iter().chain((base > 0).then(|| format!("  {:>8}  the base", human::size(base)))) {
        text.push('\n');
        text.push_str(&line);
    }
    Err(Problem::new(text)
        .hint("files that a later line deletes still count; delete them in the line that makes them")
        .exit(Exit::Unmet))
}

/// What was found in the layers that this build made.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// Bytes that a later line deletes or replaces.
    wasted: BTreeMap<(Owner, usize), u64>,
    /// Size, place of the line and path, largest first.
    largest: Vec<(u64, usize, PathBuf)>,
}

impl Findings {
    /// Looks at the layers of those `lines` whose steps were executed, and what they hide of each other and of the base.
    /// Of a base that is still in its registry nothing is known.
    ///
    /// # Errors
    /// A layer cannot be read.
    pub(super) fn of(
        store: &Store,
        (image, lines): (&Image, &[Line]),
        executed: &dyn Fn(usize) -> bool,
    ) -> anyhow::Result<Self> {
        let (mut findings, mut shadows) = (Self::default(), Shadows::default());
        for layer in base(store, image, lines)? {
            shadows.put(store, &layer, None)?;
        }
        for (at, line) in lines.iter().enumerate() {
            let layer = store.layer(&line.layer)?;
            if executed(line.step) {
                for part in layer.parts()? {
                    let root = Root::open(&part)?.with_ownership(store.options().ownership)?;
                    shadows.look(&root, at, &mut |file, path| findings.note_large((file, at, path)))?;
                }
            }
            shadows.put(store, &layer, Some(at))?;
        }
        findings.wasted = shadows.hidden().clone();
        Ok(findings)
    }

    fn note_large(&mut self, (file, at, path): (Metadata, usize, PathBuf)) {
        if file.kind == FileKind::Regular && file.size >= WORTH_NAMING {
            self.largest.push((file.size, at, path));
            self.largest.sort_by_key(|(size, _, _)| Reverse(*size));
            self.largest.truncate(NAMED);
        }
    }

    /// The lines for people; none if there is nothing to tell.
    pub(super) fn text(&self, lines: &[Line]) -> Vec<String> {
        let mut text = Vec::new();
        let mut wasted: Vec<_> = self.wasted.iter().collect();
        wasted.sort_by_key(|(_, bytes)| Reverse(**bytes));
        wasted.retain(|(_, bytes)| **bytes >= WORTH_TELLING);
        for ((earlier, later), bytes) in wasted.into_iter().take(NAMED) {
            let whose = earlier.map_or("the base".to_owned(), |line| format!("line {}", lines[line].number));
            let (bytes, later) = (human::size(*bytes), lines[*later].name());
            text.push(format!("{bytes} of {whose} are deleted or replaced by {later}, and still in the image"));
        }
        if !self.largest.is_empty() {
            text.push("Largest new files:".to_owned());
        }
        for (size, at, path) in &self.largest {
            text.push(format!("  {:>8}  {}  (line {})", human::size(*size), path.display(), lines[*at].number));
        }
        text
    }
}

/// The layers below those of the lines, if all their files are here.
fn base(store: &Store, image: &Image, lines: &[Line]) -> anyhow::Result<Vec<Layer>> {
    let count = image.layers.len().saturating_sub(lines.len());
    let layers: Vec<Layer> = image.layers[..count].iter().map(|id| store.layer(id)).collect::<Result<_, _>>()?;
    Ok(if layers.iter().all(Layer::is_unpacked) { layers } else { Vec::new() })
}
