//! Why a source of `COPY` or `ADD` is not there, and what was meant instead.

use std::path::{Path, PathBuf};

use crate::context::tree::SourceTree;
use crate::error::BuildError;
use crate::suggest::nearest;

/// The error for the path `source`, which `tree` does not have.
pub(crate) fn explain(tree: &SourceTree<'_>, source: &Path) -> BuildError {
    let shown = PathBuf::from("/").join(source);
    let on_disk = tree.root.resolve(source).ok();
    if let (Some(real), Some(rules)) = (on_disk, tree.ignore) {
        let (source, real) = (source.to_string_lossy(), real.to_string_lossy());
        if let Some((line, pattern)) = rules.explain(&source).or_else(|| rules.explain(&real)) {
            return BuildError::SourceIgnored { path: shown, line, pattern: pattern.to_owned() };
        }
    }
    if let Ok(target) = tree.root.read_link(source) {
        return BuildError::SourceDangles { path: shown, target };
    }
    BuildError::SourceMissing { path: shown, nearest: nearest_path(tree, source) }
}

/// The path that differs from `source` in one name, of those that are there.
fn nearest_path(tree: &SourceTree<'_>, source: &Path) -> Option<PathBuf> {
    let names: Vec<_> = source.iter().collect();
    let mut base = PathBuf::new();
    for (at, name) in names.iter().enumerate() {
        let next = base.join(name);
        if tree.resolve(&next).ok().flatten().is_some() {
            base = next;
            continue;
        }
        let real = tree.resolve(&base).ok().flatten()?;
        let there = tree.root.read_dir(&real).ok()?;
        let there: Vec<String> = there.iter().map(|name| name.to_string_lossy().into_owned()).collect();
        let candidate = nearest(&name.to_string_lossy(), there.iter().map(String::as_str))?;
        let fixed: PathBuf = base.iter().chain([candidate.as_ref()]).chain(names[at + 1..].iter().copied()).collect();
        return tree.resolve(&fixed).ok().flatten().is_some().then_some(fixed);
    }
    None
}
