//! What a source of `COPY` or `ADD` selects: wildcards resolved, links followed, directories walked.
//!
//! Only what the source names is walked. `.dockerignore` and `--exclude` are applied on the way, so that a directory
//! they hide is never opened. The rules are those of the reference's file operation: a wildcard never crosses a slash,
//! links are followed in the source's own path and kept inside what is copied.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use dhow_layer_store::{FileKind, Metadata, Root};

use crate::context::missing;
use crate::context::tree::{SourceTree, clean};
use crate::error::Result;
use crate::pattern::{PatternMatcher, glob, has_wildcard};

/// A file that is copied.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    /// Its path below the match; empty for the match itself.
    pub(crate) path: PathBuf,
    /// As they are copied: owners are reset already.
    pub(crate) metadata: Metadata,
    /// The target of a symbolic link.
    pub(crate) target: Option<PathBuf>,
    /// Why it is here.
    pub(crate) presence: Presence,
}

/// Why a file is copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presence {
    /// It was selected: an existing directory takes its metadata.
    Selected,
    /// It is a directory that only leads to what was selected: made when missing, else left as it is.
    Leading,
}

/// One file or directory that a source names, with all that is copied of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Match {
    /// The last name of the source as it was written or matched: what a file is called in a directory it lands in.
    pub(crate) name: OsString,
    /// Where it is in the tree, without links.
    pub(crate) real: PathBuf,
    /// The match itself, then what is in it, each directory before its content, names sorted.
    pub(crate) entries: Vec<Entry>,
}

impl Match {
    /// The file or directory itself.
    pub(crate) fn top(&self) -> &Entry {
        &self.entries[0]
    }

    /// Where `entry` is in the tree.
    pub(crate) fn real_path(&self, entry: &Entry) -> PathBuf {
        if entry.path.as_os_str().is_empty() { self.real.clone() } else { self.real.join(&entry.path) }
    }
}

/// What narrows a selection.
#[derive(Debug, Default)]
pub(crate) struct Filter {
    /// `--exclude`; paths are relative to the match.
    pub(crate) exclude: Option<PatternMatcher>,
    /// `--parents`: the pattern, relative to the pivot.
    pub(crate) include: Option<PatternMatcher>,
}

/// What `source` selects in `tree`, in the order of names. A wildcard may select nothing.
///
/// # Errors
/// A source without wildcard is missing.
pub(crate) fn select(tree: &SourceTree<'_>, source: &Path, filter: &Filter) -> Result<Vec<Match>> {
    let source = clean(source);
    let names: Vec<OsString> = source.iter().map(ToOwned::to_owned).collect();
    let Some(first) = names.iter().position(|name| has_wildcard(name)) else {
        let found = one(tree, &source, filter)?;
        return found.map_or_else(|| Err(missing::explain(tree, &source)), |found| Ok(vec![found]));
    };
    let base: PathBuf = names[..first].iter().collect();
    let Some(base) = tree.resolve(&base)? else { return Ok(Vec::new()) };
    let mut paths = Vec::new();
    expand(tree, &base, &names[first..], &mut paths)?;
    let mut matches = Vec::new();
    for path in paths {
        if is_excluded_file(tree, &path, filter)? {
            continue;
        }
        matches.extend(one(tree, &path, filter)?);
    }
    Ok(matches)
}

/// The paths below `base` that match `patterns`, name by name.
fn expand(tree: &SourceTree<'_>, base: &Path, patterns: &[OsString], found: &mut Vec<PathBuf>) -> Result<()> {
    let Some((pattern, rest)) = patterns.split_first() else {
        found.push(base.to_owned());
        return Ok(());
    };
    let is_dir = tree.stat(base)?.is_some_and(|metadata| metadata.kind == FileKind::Directory);
    if !is_dir || tree.is_hidden_dir(base) {
        return Ok(());
    }
    for name in tree.root.read_dir(base)? {
        if glob(pattern, &name) {
            expand(tree, &base.join(&name), rest, found)?;
        }
    }
    Ok(())
}

/// `--exclude` holds for a file that a wildcard found by its name, as the language's reference describes it.
fn is_excluded_file(tree: &SourceTree<'_>, path: &Path, filter: &Filter) -> Result<bool> {
    let (Some(exclude), Some(name)) = (&filter.exclude, path.file_name()) else { return Ok(false) };
    let is_dir = tree.root.metadata(path)?.is_some_and(|metadata| metadata.kind == FileKind::Directory);
    Ok(!is_dir && exclude.matches(Path::new(name)))
}

fn one(tree: &SourceTree<'_>, path: &Path, filter: &Filter) -> Result<Option<Match>> {
    let Some(real) = tree.resolve(path)? else { return Ok(None) };
    let Some(metadata) = tree.stat(&real)? else { return Ok(None) };
    let top = Entry { path: PathBuf::new(), metadata, target: None, presence: Presence::Selected };
    let mut entries = vec![top];
    if metadata.kind == FileKind::Directory {
        let mut walk = Walk { tree, filter, base: &real, entries };
        walk.directory(&tree.root.open_root(&real)?, Path::new(""))?;
        entries = walk.entries;
        if tree.is_ignored(&real) && entries.len() == 1 {
            return Ok(None);
        }
    }
    let name = path.file_name().unwrap_or_default().to_owned();
    Ok(Some(Match { name, real, entries }))
}

/// A walk through a directory that is copied.
struct Walk<'a> {
    tree: &'a SourceTree<'a>,
    filter: &'a Filter,
    base: &'a Path,
    entries: Vec<Entry>,
}

/// What the rules say of one path.
enum Verdict {
    Take,
    Skip,
    /// Nothing but what is in it.
    Lead,
}

impl Walk<'_> {
    fn directory(&mut self, dir: &Root, path: &Path) -> Result<()> {
        for name in dir.read_dir(Path::new("."))? {
            let path = path.join(&name);
            let verdict = self.judge(&path);
            if matches!(verdict, Verdict::Skip) {
                continue;
            }
            let name = Path::new(&name);
            // A file that went away meanwhile is not part of the context.
            let Some(metadata) = dir.stat(name)? else { continue };
            self.take(dir, name, Entry { path, metadata, target: None, presence: verdict.into() })?;
        }
        Ok(())
    }

    fn take(&mut self, dir: &Root, name: &Path, mut entry: Entry) -> Result<()> {
        entry.metadata = self.tree.owned(entry.metadata);
        match (entry.metadata.kind, entry.presence) {
            (FileKind::Directory, presence) => {
                let (path, count) = (entry.path.clone(), self.entries.len());
                self.entries.push(entry);
                self.directory(&dir.open_root(name)?, &path)?;
                if presence == Presence::Leading && self.entries.len() == count + 1 {
                    self.entries.pop();
                }
            }
            (_, Presence::Leading) | (FileKind::Socket, _) => {}
            (FileKind::Symlink, _) => {
                entry.target = Some(dir.read_link(name)?);
                self.entries.push(entry);
            }
            _ => self.entries.push(entry),
        }
        Ok(())
    }

    fn judge(&self, path: &Path) -> Verdict {
        let real = self.base.join(path);
        if self.tree.is_ignored(&real) {
            return if self.tree.is_hidden_dir(&real) { Verdict::Skip } else { Verdict::Lead };
        }
        if let Some(exclude) = &self.filter.exclude {
            if exclude.matches(path) {
                return if exclude.may_reinclude_below(path) { Verdict::Lead } else { Verdict::Skip };
            }
        }
        match &self.filter.include {
            Some(include) if !include.matches(path) => Verdict::Lead,
            _ => Verdict::Take,
        }
    }
}

impl From<Verdict> for Presence {
    fn from(verdict: Verdict) -> Self {
        if matches!(verdict, Verdict::Take) { Self::Selected } else { Self::Leading }
    }
}
