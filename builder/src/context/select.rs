//! What a source of `COPY` or `ADD` selects: wildcards resolved, links followed, directories walked.
//!
//! Only what the source names is walked. `.dockerignore` and `--exclude` are applied on the way, so that a directory
//! they hide is never opened. The rules are those of the reference's file operation: a wildcard never crosses a slash,
//! links are followed in the source's own path and kept inside what is copied.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use dhow_layer_store::{FileKind, Metadata, Root};

use crate::context::missing;
use crate::context::tree::{SourceTree, clean};
use crate::error::Result;
use crate::pattern::{Pattern, has_wildcard};
use crate::pattern_set::{PatternSet, Verdict};

/// Below this number of directories side by side, more threads cost more than they bring.
const DIRECTORIES_PER_THREAD: usize = 8;

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
#[derive(Debug, Clone, Default)]
pub(crate) struct Filter {
    /// `--exclude`; paths are relative to the match.
    pub(crate) exclude: Option<PatternSet>,
    /// `--parents`: the pattern, relative to the pivot.
    pub(crate) include: Option<PatternSet>,
}

/// What `source` selects in `tree`, in the order of names. A wildcard may select nothing.
///
/// # Errors
/// A source without wildcard is missing, or a link that was selected leads nowhere.
pub(crate) fn select(tree: &SourceTree<'_>, source: &Path, filter: &Filter) -> Result<Vec<Match>> {
    let source = clean(source);
    let names: Vec<OsString> = source.iter().map(ToOwned::to_owned).collect();
    let Some(first) = names.iter().position(|name| has_wildcard(&name.to_string_lossy())) else {
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
        match one(tree, &path, filter)? {
            Some(found) => matches.push(found),
            None if tree.is_ignored(&path) => {}
            None => return Err(missing::explain(tree, &path)),
        }
    }
    Ok(matches)
}

/// What is at `source`, taken literally.
///
/// # Errors
/// It is missing.
pub(crate) fn select_exact(tree: &SourceTree<'_>, source: &Path) -> Result<Match> {
    let source = clean(source);
    one(tree, &source, &Filter::default())?.ok_or_else(|| missing::explain(tree, &source))
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
    // A malformed pattern matches nothing, as in the reference.
    let Ok(pattern) = Pattern::wildcard(&pattern.to_string_lossy()) else { return Ok(()) };
    for name in tree.root.read_dir(base)? {
        if pattern.matches(&name.to_string_lossy()) {
            expand(tree, &base.join(&name), rest, found)?;
        }
    }
    Ok(())
}

/// `--exclude` holds for a file that a wildcard found by its name, as the language's reference describes it.
fn is_excluded_file(tree: &SourceTree<'_>, path: &Path, filter: &Filter) -> Result<bool> {
    let (Some(exclude), Some(name)) = (&filter.exclude, path.file_name()) else { return Ok(false) };
    let is_dir = tree.root.metadata(path)?.is_some_and(|metadata| metadata.kind == FileKind::Directory);
    Ok(!is_dir && exclude.matches(&name.to_string_lossy()))
}

fn one(tree: &SourceTree<'_>, path: &Path, filter: &Filter) -> Result<Option<Match>> {
    let Some(real) = tree.resolve(path)? else { return Ok(None) };
    let Some(metadata) = tree.stat(&real)? else { return Ok(None) };
    let top = Entry { path: PathBuf::new(), metadata, target: None, presence: Presence::Selected };
    let mut entries = vec![top];
    if metadata.kind == FileKind::Directory {
        let verdicts = Verdicts::top(tree, filter, &real);
        let walk = Walk { tree, filter, base: &real };
        walk.directory(&tree.root.open_root(&real)?, (Path::new(""), &verdicts), &mut entries)?;
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
}

/// What a directory holds.
enum Child {
    File(Entry),
    Directory { name: OsString, entry: Entry, verdicts: Verdicts },
}

/// What each set of rules says of one path; needed to ask about what is below it.
struct Verdicts {
    ignore: Option<Verdict>,
    exclude: Option<Verdict>,
    include: Option<Verdict>,
}

impl Verdicts {
    fn top(tree: &SourceTree<'_>, filter: &Filter, real: &Path) -> Self {
        Self {
            ignore: tree.ignore.map(|rules| rules.judge_path(&real.to_string_lossy())),
            exclude: filter.exclude.as_ref().map(PatternSet::top),
            include: filter.include.as_ref().map(PatternSet::top),
        }
    }
}

impl Walk<'_> {
    /// Adds what is copied of the content of `dir`, each directory before its content, names sorted.
    fn directory(&self, dir: &Root, (path, above): (&Path, &Verdicts), entries: &mut Vec<Entry>) -> Result<()> {
        let (mut found, mut dirs) = (Vec::new(), 0);
        for name in dir.read_dir(Path::new("."))? {
            let Some(child) = self.child(dir, &name, (path, above))? else { continue };
            dirs += usize::from(matches!(child, Child::Directory { .. }));
            found.push(child);
        }
        if dirs >= DIRECTORIES_PER_THREAD * 2 && self.tree.threads > 1 {
            let threads = self.tree.threads.min(dirs / DIRECTORIES_PER_THREAD);
            return self.enter_at_once(dir, (found, threads), entries);
        }
        found.into_iter().try_for_each(|child| self.take(dir, child, entries))
    }

    /// `name` in `dir`, if it or something in it is copied.
    fn child(&self, dir: &Root, name: &OsStr, (path, above): (&Path, &Verdicts)) -> Result<Option<Child>> {
        let path = path.join(name);
        let verdicts = self.judge(above, &path);
        let Some(presence) = self.presence(&verdicts, &path) else { return Ok(None) };
        let name = Path::new(name);
        // A file that went away meanwhile is not part of the context.
        let Some(metadata) = dir.stat(name)? else { return Ok(None) };
        let mut entry = Entry { path, metadata: self.tree.owned(metadata), target: None, presence };
        if metadata.kind == FileKind::Directory {
            return Ok(Some(Child::Directory { name: name.into(), entry, verdicts }));
        }
        if presence != Presence::Selected || metadata.kind == FileKind::Socket {
            return Ok(None);
        }
        if metadata.kind == FileKind::Symlink {
            entry.target = Some(dir.read_link(name)?);
        }
        Ok(Some(Child::File(entry)))
    }

    /// Takes a file, or a directory and what is in it; one that only leads somewhere is left out if it leads to nothing.
    fn take(&self, dir: &Root, child: Child, entries: &mut Vec<Entry>) -> Result<()> {
        match child {
            Child::File(entry) => entries.push(entry),
            Child::Directory { name, entry, verdicts } => {
                let (path, only_leads) = (entry.path.clone(), entry.presence == Presence::Leading);
                entries.push(entry);
                let before = entries.len();
                self.directory(&dir.open_root(Path::new(&name))?, (&path, &verdicts), entries)?;
                if only_leads && entries.len() == before {
                    entries.pop();
                }
            }
        }
        Ok(())
    }

    /// As [`take`](Self::take) one after the other, but by several threads.
    fn enter_at_once(
        &self,
        dir: &Root,
        (children, threads): (Vec<Child>, usize),
        entries: &mut Vec<Entry>,
    ) -> Result<()> {
        let part = children.len().div_ceil(threads);
        let mut children = children.into_iter();
        let first: Vec<Child> = children.by_ref().take(part).collect();
        let mut parts: Vec<Vec<Child>> = Vec::with_capacity(threads);
        while children.len() > 0 {
            parts.push(children.by_ref().take(part).collect());
        }
        let work = |part: Vec<Child>, entries: &mut Vec<Entry>| {
            part.into_iter().try_for_each(|child| self.take(dir, child, entries))
        };
        std::thread::scope(|scope| {
            let own = |part| {
                move || -> Result<Vec<Entry>> {
                    let mut entries = Vec::new();
                    work(part, &mut entries).map(|()| entries)
                }
            };
            let others: Vec<_> = parts.into_iter().map(|part| scope.spawn(own(part))).collect();
            work(first, entries)?;
            for other in others {
                entries.append(&mut other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?);
            }
            Ok(())
        })
    }

    fn judge(&self, above: &Verdicts, path: &Path) -> Verdicts {
        let below = |rules: Option<&PatternSet>, above: &Option<Verdict>| {
            rules.zip(above.as_ref()).map(|(rules, above)| rules.judge(above, &path.to_string_lossy()))
        };
        let ignore = self.tree.ignore.zip(above.ignore.as_ref());
        Verdicts {
            ignore: ignore.map(|(rules, above)| rules.judge(above, &self.base.join(path).to_string_lossy())),
            exclude: below(self.filter.exclude.as_ref(), &above.exclude),
            include: below(self.filter.include.as_ref(), &above.include),
        }
    }

    /// Why `path` is copied; `None` if neither it nor anything in it is.
    fn presence(&self, verdicts: &Verdicts, path: &Path) -> Option<Presence> {
        if verdicts.ignore.as_ref().is_some_and(Verdict::matched) {
            let real = self.base.join(path);
            return (!self.tree.is_hidden_dir(&real)).then_some(Presence::Leading);
        }
        if verdicts.exclude.as_ref().is_some_and(Verdict::matched) {
            let may = self.filter.exclude.as_ref().is_some_and(|set| set.may_except_below(&path.to_string_lossy()));
            return may.then_some(Presence::Leading);
        }
        let included = verdicts.include.as_ref().is_none_or(Verdict::matched);
        Some(if included { Presence::Selected } else { Presence::Leading })
    }
}
