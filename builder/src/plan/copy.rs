//! `COPY` and `ADD`: sources of every kind, and where they go.

use dhow_layer_store::oci::Digest;

use super::git::GitSource;
use super::graph::{Node, NodeId};
use super::history;
use super::mode::Mode;
use super::observation::Fact;
use super::op::{CopyFiles, CopyOp, CopySource, DownloadOp, FilesFrom, GitOp, Op, Parents};
use super::stage::StageLowering;
use super::stages::FromKind;
use crate::diagnostic::Diagnostic;
use crate::dockerfile::ast::{Source, Statement};
use crate::dockerfile::heredoc::Heredoc;
use crate::dockerfile::instruction::{Add, Copy, Transfer};
use crate::dockerfile::word::{Word, expand_heredoc};
use crate::pattern::{Pattern, clean, has_wildcard};
use crate::pattern_set::PatternSet;
use crate::source::Span;

/// What distinguishes one transfer from another, expanded.
struct Kind {
    keyword: &'static str,
    from: FilesFrom,
    parents: bool,
    /// `ADD`'s own; `None` for `COPY`.
    add: Option<AddKind>,
}

struct AddKind {
    checksum: Option<(String, Span)>,
    keep_git_dir: Option<bool>,
    unpack: Option<bool>,
}

impl Kind {
    /// The start of the history entry: of the flags, it has these.
    fn shown(&self, owner: Option<&str>, mode: Option<&str>) -> String {
        let parents = if self.parents { " --parents" } else { "" };
        let owner = owner.map(|owner| format!(" --chown={owner}")).unwrap_or_default();
        let mode = mode.map(|mode| format!(" --chmod={mode}")).unwrap_or_default();
        format!("{}{parents}{owner}{mode}", self.keyword)
    }
}

impl StageLowering<'_, '_> {
    pub(super) fn copy(&mut self, copy: &Copy, statement: &Statement) -> Option<()> {
        let from = match &copy.from {
            Some(from) => self.files_from(&from.value, FromKind::Copy, from.span)?,
            None => FilesFrom::Context,
        };
        let parents = copy.parents.as_ref().is_some_and(|parents| parents.value);
        self.transfer(&copy.transfer, Kind { keyword: "COPY", from, parents, add: None }, statement)
    }

    pub(super) fn add(&mut self, add: &Add, statement: &Statement) -> Option<()> {
        let checksum = self.expand_option(add.checksum.as_ref())?.filter(|text| !text.is_empty());
        let add_kind = AddKind {
            checksum: checksum.zip(add.checksum.as_ref().map(|word| word.span)),
            keep_git_dir: add.keep_git_dir.as_ref().map(|value| value.value),
            unpack: add.unpack.as_ref().map(|value| value.value),
        };
        let kind = Kind { keyword: "ADD", from: FilesFrom::Context, parents: false, add: Some(add_kind) };
        self.transfer(&add.transfer, kind, statement)
    }

    fn transfer(&mut self, transfer: &Transfer, kind: Kind, statement: &Statement) -> Option<()> {
        let owner = self.expand_option(transfer.chown.as_ref())?.filter(|owner| !owner.is_empty());
        let chmod = self.expand_option(transfer.chmod.as_ref())?.filter(|mode| !mode.is_empty());
        let mode = self.mode(chmod.as_deref(), transfer.chmod.as_ref())?;
        self.check_excludes(transfer)?;
        let written_destination = self.expand(&transfer.destination)?;
        let mut sources = Vec::new();
        let mut text = kind.shown(owner.as_deref(), chmod.as_deref());
        let shown = self.shown(&statement.line, &self.state.env);
        let display = self.next_name(&shown);
        self.progress.done -= 1;
        for word in paths(transfer) {
            let path = self.expand(word)?;
            text.push_str(&format!(" {path}"));
            sources.push(self.source(&path, word, &kind, &display)?);
        }
        self.check_checksum(transfer, &kind, &sources)?;
        for heredoc in transfer.heredocs() {
            text.push_str(&format!(" <<{}", heredoc.name));
            sources.push(self.inline(heredoc)?);
        }
        text.push_str(&format!(" {written_destination}"));
        let inputs = sources.iter().filter_map(CopySource::node).collect();
        let op = CopyOp {
            sources,
            destination: self.destination(&written_destination),
            excludes: transfer.excludes.iter().map(|exclude| exclude.value.clone()).collect(),
            owner,
            // As the reference has it: with a mode a copy is never linked, and sees what is at its destination.
            link: mode.is_none() && transfer.link.as_ref().is_some_and(|link| link.value),
            mode,
        };
        self.progress.done += 1;
        self.push_layer(Op::Copy(op), inputs, display);
        history::layer(&mut self.state.config, history::marked(&text));
        Some(())
    }

    fn mode(&mut self, text: Option<&str>, word: Option<&Word>) -> Option<Option<Mode>> {
        let (Some(text), Some(word)) = (text, word) else { return Some(None) };
        match Mode::parse(text) {
            Ok(mode) => Some(Some(mode)),
            Err(reason) => {
                let message = format!("`{text}` is no mode: {reason}");
                let hint = "such as `--chmod=755` or `--chmod=u=rwX,go=rX`";
                self.fail(Diagnostic::error("invalid-mode", word.span, message).hint(hint));
                None
            }
        }
    }

    fn check_excludes(&mut self, transfer: &Transfer) -> Option<()> {
        let Err((index, error)) = PatternSet::new(transfer.excludes.iter().map(|exclude| exclude.value.as_str()))
        else {
            return Some(());
        };
        let exclude = &transfer.excludes[index];
        let message = format!("`{}` is no pattern: {error}", exclude.value);
        self.fail(Diagnostic::error("invalid-pattern", exclude.span, message));
        None
    }

    /// Relative to the working directory; what ends in `/` or `.` is a directory.
    fn destination(&self, written: &str) -> String {
        let path = if written.starts_with('/') { clean(written) } else { clean(&format!("{}/{written}", self.cwd())) };
        let directory = written.is_empty() || written == "." || written.ends_with('/') || written.ends_with("/.");
        if directory && path != "/" { format!("{path}/") } else { path }
    }

    fn source(&mut self, path: &str, word: &Word, kind: &Kind, display: &str) -> Option<CopySource> {
        let git = match GitSource::parse(path) {
            Ok(git) => git,
            Err(reason) => {
                let message = format!("`{path}` is no source: {reason}");
                self.fail(Diagnostic::error("invalid-git-source", word.span, message));
                return None;
            }
        };
        let remote = git.is_some() || path.starts_with("http://") || path.starts_with("https://");
        let Some(add) = kind.add.as_ref().filter(|_| remote) else {
            if remote {
                let message = format!("`COPY` cannot fetch `{path}`");
                self.fail(Diagnostic::error("remote-copy", word.span, message).hint("`ADD` can"));
                return None;
            }
            return self.files(path, word, kind);
        };
        match git {
            Some(git) => self.repository(git, word, add, display),
            None => self.download(path, add, display),
        }
    }

    fn files(&mut self, path: &str, word: &Word, kind: &Kind) -> Option<CopySource> {
        if kind.from == FilesFrom::Context {
            self.observe(Fact::ContextSource { keyword: kind.keyword, path: path.to_owned() }, word.span);
        }
        let absolute = |path: &str| clean(&format!("/{path}"));
        let (top, parents) = match (kind.parents, path.split_once("/./")) {
            (false, _) => (absolute(path), None),
            (true, pivot) => {
                let (top, below) = pivot.unwrap_or(("", path));
                let pattern = absolute(below).trim_start_matches('/').to_owned();
                let required = !has_wildcard(top) && !has_wildcard(&pattern);
                (absolute(top), Some(Parents { pattern, required }))
            }
        };
        let checked =
            Pattern::wildcard(&top).and(parents.as_ref().map_or(Pattern::deep(""), |p| Pattern::deep(&p.pattern)));
        if let Err(error) = checked {
            let message = format!("`{path}` is no pattern: {error}");
            self.fail(Diagnostic::error("invalid-pattern", word.span, message));
            return None;
        }
        let unpack = kind.add.as_ref().is_some_and(|add| add.unpack.unwrap_or(true));
        Some(CopySource::Files(CopyFiles { from: kind.from, written: path.to_owned(), path: top, parents, unpack }))
    }

    fn repository(&mut self, mut git: GitSource, word: &Word, add: &AddKind, display: &str) -> Option<CopySource> {
        let conflict = match (add.keep_git_dir, git.keep_git_dir, &add.checksum, &git.checksum) {
            (Some(flag), Some(query), _, _) if flag != query => Some("`--keep-git-dir` and the URL disagree"),
            (_, _, Some((flag, _)), Some(query)) if flag != query => Some("`--checksum` and the URL disagree"),
            _ => None,
        };
        if let Some(message) = conflict {
            self.fail(Diagnostic::error("invalid-git-source", word.span, message));
            return None;
        }
        let keep_git_dir = git.keep_git_dir.take().or(add.keep_git_dir).unwrap_or(false);
        let checksum = git.checksum.take().or(add.checksum.as_ref().map(|(checksum, _)| checksum.clone()));
        let node = self.push_source(Op::Git(GitOp { source: git, keep_git_dir, checksum }), display);
        Some(CopySource::Repository { node })
    }

    fn download(&mut self, url: &str, add: &AddKind, display: &str) -> Option<CopySource> {
        if let Some((checksum, span)) = &add.checksum
            && checksum.parse::<Digest>().is_err()
        {
            let message = format!("`{checksum}` is no digest");
            self.fail(Diagnostic::error("invalid-checksum", *span, message).hint("such as `--checksum=sha256:…`"));
            return None;
        }
        let checksum = add.checksum.as_ref().map(|(checksum, _)| checksum.clone());
        let name = file_name(url);
        let op = DownloadOp { url: url.to_owned(), name: name.clone(), checksum };
        let node = self.push_source(Op::Download(op), display);
        Some(CopySource::Download { node, name, unpack: add.unpack.unwrap_or(false) })
    }

    fn push_source(&mut self, op: Op, display: &str) -> NodeId {
        let (span, stage) = (self.statement, Some(self.index));
        self.shared.nodes.push(Node { op, inputs: Vec::new(), span, display: display.to_owned(), stage })
    }

    fn check_checksum(&mut self, transfer: &Transfer, kind: &Kind, sources: &[CopySource]) -> Option<()> {
        let Some((_, span)) = kind.add.as_ref().and_then(|add| add.checksum.as_ref()) else { return Some(()) };
        let message = match sources {
            [CopySource::Download { .. } | CopySource::Repository { .. }] => return Some(()),
            [_] => "`--checksum` is for sources from the network",
            _ if paths(transfer).count() == 0 => "`--checksum` needs one source from the network",
            _ => "`--checksum` cannot be given for several sources",
        };
        self.fail(Diagnostic::error("invalid-checksum", *span, message));
        None
    }

    fn inline(&mut self, heredoc: &Heredoc) -> Option<CopySource> {
        let mut content = heredoc.content();
        if heredoc.expand {
            match expand_heredoc(&content, &self.state.env) {
                Ok(expansion) => {
                    self.observe_missing(&expansion.missing, heredoc.span);
                    content = expansion.text;
                }
                Err(error) => {
                    let hint = format!("write `<<'{}'` to keep the text as it is", heredoc.name);
                    self.fail(Diagnostic::error("invalid-expansion", heredoc.span, error.to_string()).hint(hint));
                    return None;
                }
            }
        }
        Some(CopySource::Inline { name: heredoc.name.clone(), content })
    }
}

fn paths(transfer: &Transfer) -> impl Iterator<Item = &Word> {
    transfer.sources.iter().filter_map(|source| match source {
        Source::Path(word) => Some(word),
        Source::Heredoc(_) => None,
    })
}

/// The last component of a URL's path, as a file can be called.
fn file_name(url: &str) -> String {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let path = path.split_once("://").map_or(path, |(_, rest)| rest);
    let path = percent_decoded(path.split_once('/').map_or("", |(_, path)| path));
    let name = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default().trim();
    match name {
        "" | "." => "__unnamed__".to_owned(),
        ".." => "download".to_owned(),
        name if name.chars().any(char::is_control) => "download".to_owned(),
        name => name.to_owned(),
    }
}

/// `%41` is `A` (RFC 3986, 2.1); what is no valid sequence stays.
fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let hex = |digit: u8| char::from(digit).to_digit(16).map(|value| value as u8);
        match (first, after) {
            (b'%', [high, low, next @ ..]) if hex(*high).is_some() && hex(*low).is_some() => {
                bytes.push(hex(*high).unwrap_or(0) << 4 | hex(*low).unwrap_or(0));
                rest = next;
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::file_name;

    #[test]
    fn names_of_downloads() {
        for (url, expected) in [
            ("https://e.com/a/b.tar.gz?x=/y", "b.tar.gz"),
            ("https://e.com/a/", "a"),
            ("https://e.com/", "__unnamed__"),
            ("https://e.com", "__unnamed__"),
            ("https://e.com/a%20b%2Bc.tar", "a b+c.tar"),
            ("https://e.com/100%", "100%"),
            ("https://e.com/x/..", "download"),
            ("https://e.com/x%00y", "download"),
        ] {
            assert_eq!(file_name(url), expected, "{url}");
        }
    }
}
