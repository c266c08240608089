//! Which copies need not see the base that they land on, so that it can stay in its registry.
//!
//! What a copy makes depends on the base only by what is at its destination there: a directory's mode and owner, a link.
//! A destination below a name at the top of the tree that the base does not have depends on nothing. The base's config
//! tells its names, before any layer is here: its lowest layer is a root file system with the names of the Filesystem
//! Hierarchy Standard, and what other layers put anywhere stands in its history. Where that leaves doubt, the base is
//! looked at.
//!
//! A few directories are the same everywhere (`PLAIN`): root's, with mode 0755, and no link; where a base lacks one, a copy
//! makes it so. What lands below them by a name of its own needs no look either, unless the history has a hand on them.
//! Their dates alone may then differ from the base's, so a build that has to be reproducible looks all the same.

use std::path::{Component, Path};

use dhow_layer_store::oci::ImageConfig;

use crate::context::Match;
use crate::exec::selection::Selection;
use crate::plan::{CopyOp, CopySource, Op, WorkdirOp};

/// Names at the top of a root file system (FHS 3.0, and those that distributions and builders add).
const STANDARD: [&str; 26] = [
    "afs",
    "bin",
    "boot",
    "busybox",
    "data",
    "dev",
    "etc",
    "home",
    "lib",
    "lib32",
    "lib64",
    "libx32",
    "lost+found",
    "media",
    "mnt",
    "nix",
    "opt",
    "proc",
    "root",
    "run",
    "sbin",
    "srv",
    "sys",
    "tmp",
    "usr",
    "var",
];

/// Directories that are alike in all root file systems, or missing.
const PLAIN: [&str; 6] = ["usr/local/bin", "usr/local/sbin", "usr/local/share", "usr/local", "opt", "srv"];

/// What a step has to see of its base.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sees {
    /// Its files.
    Files,
    /// The dates of directories that are usual otherwise.
    Dates,
    /// Nothing.
    Nothing,
}

/// Where a step lands: below which of the plain directories, if any, and by which names there.
struct Landing {
    plain: Option<&'static str>,
    names: Vec<String>,
}

/// What `op`, whose sources select `selections`, has to see of its base that has `config`, to make the layer that it makes when it
/// sees all of it.
pub(crate) fn sees(op: &Op, selections: &[Selection], config: &ImageConfig) -> Sees {
    let (landing, owner) = match op {
        Op::Copy(op) if !unpacks(op) => (copied(op, selections), op.owner.as_deref().unwrap_or_default()),
        Op::Workdir(op) => (made(op), op.user.as_str()),
        _ => return Sees::Files,
    };
    let Some(Landing { plain, names }) = landing.filter(|_| is_numeric(owner)) else { return Sees::Files };
    let is_known = !has_told_history(config) || !names.iter().all(|name| is_unknown(name, config));
    match plain {
        _ if is_known => Sees::Files,
        None => Sees::Nothing,
        // Directories that are made belong to the owner of what is copied; those that are there stay root's.
        Some(directory) if is_root(owner) && is_as_usual(directory, config) => Sees::Dates,
        Some(_) => Sees::Files,
    }
}

/// `1000` and `1000:root` need no account files.
fn is_numeric(owner: &str) -> bool {
    owner.split(':').all(|part| matches!(part, "" | "root") || part.parse::<u32>().is_ok())
}

fn is_root(owner: &str) -> bool {
    owner.split(':').all(|part| matches!(part, "" | "0" | "root"))
}

fn unpacks(op: &CopyOp) -> bool {
    op.sources.iter().any(|source| match source {
        CopySource::Files(files) => files.unpack,
        CopySource::Download { unpack, .. } => *unpack,
        CopySource::Inline { .. } | CopySource::Repository { .. } => false,
    })
}

fn made(op: &WorkdirOp) -> Option<Landing> {
    let (plain, name) = split(&op.path);
    Some(Landing { plain, names: vec![name?] })
}

/// Where a copy lands; `None` if it is not known.
fn copied(op: &CopyOp, selections: &[Selection]) -> Option<Landing> {
    let (plain, name) = split(&op.destination);
    if let Some(name) = name {
        return Some(Landing { plain, names: vec![name] });
    }
    if plain.is_some() && !op.destination.ends_with('/') {
        return None;
    }
    let mut names = Vec::new();
    for (source, selection) in op.sources.iter().zip(selections) {
        match (source, &selection.matches) {
            (CopySource::Inline { name, .. } | CopySource::Download { name, .. }, _) => {
                names.push(first_name(Path::new(name))?);
            }
            (CopySource::Files(_), Some(matches)) => names.extend(matches.iter().flat_map(names_at_top)),
            _ => return None,
        }
    }
    Some(Landing { plain, names })
}

/// The plain directory that `path` is in or is, and the first name below it; without one, the name at the top.
fn split(path: &str) -> (Option<&'static str>, Option<String>) {
    let path = Path::new(path.trim_start_matches('/'));
    let plain = PLAIN.into_iter().find(|directory| path.starts_with(directory));
    let below = plain.map_or(path, |directory| path.strip_prefix(directory).unwrap_or(path));
    (plain, first_name(below))
}

/// Whether nothing tells that one of the plain directories is not as usual in the base: no line that changes just it or a
/// directory above, nor a system whose `/usr/local` is a link (ostree).
fn is_as_usual(directory: &str, config: &ImageConfig) -> bool {
    const CHANGES: [&str; 7] = ["chown", "chmod", "chgrp", "ln ", "mv ", "rm ", "rmdir "];
    let is_it = |word: &str| {
        let word = word.trim_matches('/');
        !word.is_empty() && Path::new(directory).starts_with(word)
    };
    let is_touched = |line: &str| {
        let changes = is_copy(line) || CHANGES.iter().any(|change| line.contains(change));
        let between = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | ';' | '&' | '|' | '(' | ')' | '=' | ',');
        changes && line.split(between).any(is_it)
    };
    let is_ostree = |label: &String| label.starts_with("ostree.") || label.starts_with("containers.bootc");
    let mut lines = config.history.iter().filter_map(|entry| entry.created_by.as_deref());
    !config.config.labels.keys().any(is_ostree) && !lines.any(is_touched)
}

/// What `found` is called at the top of the tree, or what is in it.
fn names_at_top(found: &Match) -> Vec<String> {
    if found.entries.len() == 1 {
        return vec![found.name.to_string_lossy().into_owned()];
    }
    found.entries.iter().filter_map(|entry| first_name(&entry.path)).collect()
}

fn first_name(path: &Path) -> Option<String> {
    path.components().find_map(|component| match component {
        Component::Normal(name) => Some(name.to_string_lossy().into_owned()),
        _ => None,
    })
}

/// Whether every layer has a line of history: the lowest any, as each distribution has its own, the others one of a
/// build step that did not land at the top of the tree. Layers that were imported or committed have none, or the
/// command that somebody worked with; they may have put anything there.
fn has_told_history(config: &ImageConfig) -> bool {
    let lines: Vec<&str> = (config.history.iter())
        .filter(|entry| !entry.empty_layer)
        .map(|entry| entry.created_by.as_deref().unwrap_or("").trim())
        .collect();
    let Some((lowest, above)) = lines.split_first() else { return config.rootfs.diff_ids.is_empty() };
    let is_told = !lowest.is_empty() && above.iter().all(|line| is_step(line) && !lands_at_top(line));
    is_told && lines.len() == config.rootfs.diff_ids.len()
}

/// The lines of the builders that write down what a layer was made by: BuildKit, docker's first one, bazel.
fn is_step(line: &str) -> bool {
    let beginnings = ["RUN ", "COPY ", "ADD ", "WORKDIR ", "/bin/sh -c ", "|", "bazel build "];
    let has_own_shell = line.starts_with('/') && line.contains(" -c ");
    has_own_shell || beginnings.iter().any(|beginning| line.starts_with(beginning))
}

/// `COPY rootfs / # buildkit`, `/bin/sh -c #(nop) ADD file:… in / `
fn lands_at_top(line: &str) -> bool {
    let line = line.trim_end().trim_end_matches("# buildkit").trim_end();
    is_copy(line) && line.rsplit([' ', '\t']).next().is_some_and(|last| matches!(last, "/" | "." | "./" | "/."))
}

fn is_copy(line: &str) -> bool {
    ["COPY ", "ADD "].iter().any(|keyword| line.contains(keyword))
}

/// Whether the name is no usual one and stands nowhere in the base's config, be it as a part of a longer word.
fn is_unknown(name: &str, config: &ImageConfig) -> bool {
    let lower = name.to_lowercase();
    let defaults = &config.config;
    let mut texts =
        defaults.env.iter().chain(defaults.entrypoint.iter().flatten()).chain(defaults.cmd.iter().flatten());
    let is_told = texts.any(|text| text.contains(name))
        || defaults.volumes.keys().any(|volume| volume.contains(name))
        || defaults.working_dir.contains(name)
        || config.history.iter().any(|entry| entry.created_by.as_deref().is_some_and(|line| line.contains(name)));
    !STANDARD.contains(&lower.as_str()) && !is_told
}

#[cfg(test)]
mod tests {
    use dhow_layer_store::oci::{DiffId, Digest, History, ImageConfig};

    use super::{Sees, sees};
    use crate::exec::selection::Selection;
    use crate::plan::{CopyOp, CopySource, Op, WorkdirOp};

    /// The config of an image with a layer for each line of history.
    fn base(lines: &[&str]) -> ImageConfig {
        let mut config = ImageConfig::default();
        for line in lines {
            let created_by = Some((*line).to_owned()).filter(|line| !line.is_empty());
            config.history.push(History { created_by, ..History::default() });
            config.rootfs.diff_ids.push(DiffId(Digest::of(line.as_bytes())));
        }
        config
    }

    fn copy(destination: &str, owner: Option<&str>) -> Op {
        Op::Copy(CopyOp {
            sources: vec![CopySource::Inline { name: "script".to_owned(), content: String::new() }],
            destination: destination.to_owned(),
            excludes: Vec::new(),
            owner: owner.map(str::to_owned),
            mode: None,
            link: false,
        })
    }

    #[test]
    fn only_what_lands_at_a_name_of_its_own_is_blind() {
        let debian = ["/bin/sh -c #(nop) ADD file:12 in / ", "RUN /bin/sh -c useradd -m -d /service x # buildkit"];
        for (destination, owner, history, expected) in [
            ("/app/", None, &debian[..], true),
            ("/app/", Some("1000:1000"), &debian, true),
            ("/app/", Some("www-data"), &debian, false),
            ("/", None, &debian, true),
            ("/usr/local/bin/x", None, &debian, false),
            ("/BIN/x", None, &debian, false),
            ("/service/x", None, &debian, false),
            ("/serv/x", None, &debian, false),
            ("/app/", None, &[], true),
            ("/app/", None, &[""], false),
            ("/app/", None, &["# debian.sh", ""], false),
            ("/app/", None, &["# debian.sh", "bash"], false),
            ("/app/", None, &["# debian.sh", "/bin/bash -e -c make"], true),
            ("/app/", None, &["# debian.sh", "COPY rootfs / # buildkit"], false),
            ("/app/", None, &["# debian.sh", "/bin/sh -c #(nop) COPY dir:12 in / "], false),
            ("/app/", None, &["# debian.sh", "COPY rootfs /srv # buildkit"], true),
        ] {
            let op = copy(destination, owner);
            let selections = [Selection::known(String::new())];
            let expected = if expected { Sees::Nothing } else { Sees::Files };
            assert_eq!(sees(&op, &selections, &base(history)), expected, "{destination} {owner:?} {history:?}");
        }
        let mut untold = base(&debian);
        untold.history.pop();
        assert_eq!(sees(&copy("/app/", None), &[], &untold), Sees::Files);
        let workdir = |path: &str| Op::Workdir(WorkdirOp { path: path.to_owned(), user: String::new() });
        assert_eq!(sees(&workdir("/app/x"), &[], &base(&debian)), Sees::Nothing);
        assert_eq!(sees(&workdir("/home/x"), &[], &base(&debian)), Sees::Files);
        assert_eq!(sees(&workdir("/opt/thing"), &[], &base(&debian)), Sees::Dates);
    }

    #[test]
    fn plain_directories_are_taken_for_what_they_are_unless_something_tells_otherwise() {
        let debian = "# debian.sh";
        for (destination, line, expected) in [
            ("/usr/local/bin/app", "RUN /bin/sh -c apt-get update # buildkit", Sees::Dates),
            ("/usr/local/bin/", "WORKDIR /app", Sees::Dates),
            ("/usr/local/bin", "WORKDIR /app", Sees::Files),
            ("/usr/local/bin/node", "RUN /bin/sh -c ln -s node /usr/local/bin/node # buildkit", Sees::Files),
            ("/usr/local/bin/app", "RUN /bin/sh -c ln -s python3 /usr/local/bin/python # buildkit", Sees::Dates),
            ("/usr/local/bin/app", "RUN /bin/sh -c chown -R 1000 \"/usr/local/\" # buildkit", Sees::Files),
            (
                "/usr/local/bin/app",
                "RUN /bin/sh -c mv /usr/local /data; ln -s /data /usr/local # buildkit",
                Sees::Files,
            ),
            ("/usr/local/bin/app", "COPY --chown=7 x /usr/local/bin # buildkit", Sees::Files),
            ("/usr/bin/app", "WORKDIR /app", Sees::Files),
            ("/opt/app/x", "COPY x /opt/y # buildkit", Sees::Dates),
            ("/opt/app/x", "RUN /bin/sh -c install-app # buildkit", Sees::Files),
        ] {
            let selections = [Selection::known(String::new())];
            let found = sees(&copy(destination, None), &selections, &base(&[debian, line]));
            assert_eq!(found, expected, "{destination} on {line}");
        }
        let selections = [Selection::known(String::new())];
        let by = |owner| sees(&copy("/usr/local/bin/app", Some(owner)), &selections, &base(&[debian]));
        assert_eq!((by("0:0"), by("1000"), by("0:1000")), (Sees::Dates, Sees::Files, Sees::Files));
        let mut ostree = base(&[debian]);
        ostree.config.labels.insert("ostree.bootable".to_owned(), "1".to_owned());
        assert_eq!(sees(&copy("/usr/local/bin/app", None), &[], &ostree), Sees::Files);
    }
}
