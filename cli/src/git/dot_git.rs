//! `.git` of a checkout (`--keep-git-dir`): a repository of one commit, as a shallow clone has it.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use dhow_builder::GitCommit;
use dhow_builder::plan::GitSource;
use dhow_layer_store::Root;

use super::index;
use super::pack::{Pack, unreadable};
use super::transport::without_secret;

/// What the repository says of itself.
pub(super) struct State<'a> {
    pub(super) source: &'a GitSource,
    pub(super) commit: &'a GitCommit,
    pub(super) index: &'a [index::Entry],
}

/// Writes `.git` in `into`. Its `HEAD` is the commit.
pub(super) fn write(into: &Root, pack: &Pack, state: &State<'_>) -> anyhow::Result<()> {
    for directory in [".git/objects/pack", ".git/objects/info", ".git/refs/heads", ".git/refs/tags"] {
        into.create_dir_all(Path::new(directory), 0o755)?;
    }
    for path in pack.files() {
        let name = path.file_name().unwrap_or_default();
        let mut source = File::open(&path).map_err(|error| unreadable(&path, &error))?;
        let mut copy = into.create_file(&Path::new(".git/objects/pack").join(name), 0o444)?;
        io::copy(&mut source, &mut copy).map_err(|error| unreadable(&path, &error))?;
    }
    let commit = &state.commit.commit;
    let remote = without_secret(&state.source.remote);
    let config = format!(
        "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = false\n\
         [remote \"origin\"]\n\turl = {remote}\n\tfetch = +refs/heads/*:refs/remotes/origin/*\n"
    );
    file(into, "HEAD", format!("{commit}\n").as_bytes())?;
    file(into, "shallow", format!("{commit}\n").as_bytes())?;
    file(into, "config", config.as_bytes())?;
    file(into, "index", &index::encode(state.index)?)?;
    if let Some((path, id)) = reference(state.commit) {
        let path = Path::new(".git").join(path);
        into.create_dir_all(path.parent().unwrap_or(Path::new(".git")), 0o755)?;
        into.create_file(&path, 0o644)?.write_all(format!("{id}\n").as_bytes())?;
    }
    Ok(())
}

fn file(into: &Root, name: &str, content: &[u8]) -> anyhow::Result<()> {
    into.create_file(&Path::new(".git").join(name), 0o644)?.write_all(content)?;
    Ok(())
}

/// Where a clone keeps the name that the commit was asked for by. The object of an annotated tag is not fetched.
fn reference(commit: &GitCommit) -> Option<(PathBuf, &str)> {
    let name = commit.reference.as_deref()?;
    let is_plain = name.split('/').all(|part| !matches!(part, "" | "." | ".."));
    if !is_plain {
        return None;
    }
    let path = match name.strip_prefix("refs/heads/") {
        Some(branch) => PathBuf::from("refs/remotes/origin").join(branch),
        None => PathBuf::from(name.strip_prefix("refs/tags/").map(|_| name)?),
    };
    Some((path, &commit.commit))
}
