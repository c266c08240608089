//! What the lines of a Dockerfile weigh: bytes that each adds, bytes that later lines replace or delete, largest files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use dhow_builder::Built;
use dhow_builder::source::SourceFile;
use dhow_layer_store::{FileKind, LayerId, Root, Store};

use crate::exit::Exit;
use crate::format::human;
use crate::problem::Problem;

/// How many lines or files are named.
const NAMED: usize = 5;
/// Files smaller than this are not worth a line, in bytes.
const WORTH_NAMING: u64 = 1_000_000;

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
    heaviest.sort_by_key(|line| std::cmp::Reverse(line.bytes));
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
    /// Bytes of earlier lines that a later line deletes or replaces: `(earlier, later) -> bytes`, by places in the list.
    wasted: BTreeMap<(usize, usize), u64>,
    /// Size, place of the line and path, largest first.
    largest: Vec<(u64, usize, PathBuf)>,
}

impl Findings {
    /// Looks at the layers of those `lines` whose steps were executed.
    ///
    /// # Errors
    /// A layer cannot be read.
    pub(super) fn of(store: &Store, lines: &[Line], executed: &dyn Fn(usize) -> bool) -> anyhow::Result<Self> {
        let mut findings = Self::default();
        let mut below: Vec<(usize, Root)> = Vec::new();
        for (at, line) in lines.iter().enumerate() {
            let open = |part: &PathBuf| Ok((at, Root::open(part)?.with_ownership(store.options().ownership)?));
            let parts = store.layer(&line.layer)?.parts()?.iter().map(open).collect::<anyhow::Result<Vec<_>>>()?;
            if executed(line.step) {
                parts.iter().try_for_each(|(_, root)| findings.look(root, &below, at))?;
            }
            below.extend(parts);
        }
        Ok(findings)
    }

    fn look(&mut self, root: &Root, below: &[(usize, Root)], at: usize) -> anyhow::Result<()> {
        let mut directories = vec![PathBuf::from("/")];
        while let Some(directory) = directories.pop() {
            for name in root.read_dir(&directory)? {
                let path = directory.join(name);
                let Some(metadata) = root.stat(&path)? else { continue };
                if metadata.kind == FileKind::Directory {
                    directories.push(path);
                    continue;
                }
                self.note_wasted(&path, below, at)?;
                if metadata.kind == FileKind::Regular && metadata.size >= WORTH_NAMING {
                    self.note_large((metadata.size, at, path));
                }
            }
        }
        Ok(())
    }

    fn note_large(&mut self, file: (u64, usize, PathBuf)) {
        self.largest.push(file);
        self.largest.sort_by_key(|(size, _, _)| std::cmp::Reverse(*size));
        self.largest.truncate(NAMED);
    }

    /// What the layer nearest below has at the path.
    fn note_wasted(&mut self, path: &Path, below: &[(usize, Root)], at: usize) -> anyhow::Result<()> {
        for (earlier, root) in below.iter().rev() {
            if let Some(hidden) = stat(root, path)? {
                let bytes = if hidden == FileKind::Directory { tree_size(root, path)? } else { size_of(root, path)? };
                if bytes > 0 {
                    *self.wasted.entry((*earlier, at)).or_default() += bytes;
                }
                return Ok(());
            }
        }
        Ok(())
    }

    /// The lines for people; none if there is nothing to tell.
    pub(super) fn text(&self, lines: &[Line]) -> Vec<String> {
        let mut text = Vec::new();
        let mut wasted: Vec<_> = self.wasted.iter().collect();
        wasted.sort_by_key(|(_, bytes)| std::cmp::Reverse(**bytes));
        for ((earlier, later), bytes) in wasted.into_iter().take(NAMED) {
            text.push(format!(
                "{} of line {} are deleted or replaced by {}, and still in the image",
                human::size(*bytes),
                lines[*earlier].number,
                lines[*later].name()
            ));
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

/// What is at `path`; nothing below something that is no directory.
fn stat(root: &Root, path: &Path) -> anyhow::Result<Option<FileKind>> {
    let parent = path.parent().unwrap_or(Path::new("/"));
    match root.stat(parent)? {
        Some(metadata) if metadata.kind == FileKind::Directory => {
            let found = root.stat(path)?.map(|metadata| metadata.kind);
            Ok(found.filter(|kind| !kind.is_whiteout()))
        }
        _ => Ok(None),
    }
}

fn size_of(root: &Root, path: &Path) -> anyhow::Result<u64> {
    Ok(root.stat(path)?.filter(|metadata| metadata.kind == FileKind::Regular).map_or(0, |metadata| metadata.size))
}

fn tree_size(root: &Root, top: &Path) -> anyhow::Result<u64> {
    let mut directories = vec![top.to_owned()];
    let mut bytes = 0;
    while let Some(directory) = directories.pop() {
        for name in root.read_dir(&directory)? {
            let path = directory.join(name);
            match root.stat(&path)?.map(|metadata| (metadata.kind, metadata.size)) {
                Some((FileKind::Directory, _)) => directories.push(path),
                Some((FileKind::Regular, size)) => bytes += size,
                _ => {}
            }
        }
    }
    Ok(bytes)
}
