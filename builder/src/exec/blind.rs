//! Which copies need not see the base that they land on, so that it can stay in its registry.
//!
//! What a copy makes depends on the base only by what is at its destination there: a directory's mode and owner, a link.
//! A destination below a name at the top of the tree that the base does not have depends on nothing. The base's config
//! tells its names, before any layer is here: its lowest layer is a root file system with the names of the Filesystem
//! Hierarchy Standard, and what other layers put anywhere stands in its history. Where that leaves doubt, the base is
//! looked at.

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

/// Whether `op`, whose sources select `selections`, makes the same layer whatever its base holds that has `config`.
pub(crate) fn is_blind(op: &Op, selections: &[Selection], config: &ImageConfig) -> bool {
    let landing = match op {
        Op::Copy(op) if op.owner.as_deref().is_none_or(is_numeric) && !unpacks(op) => copied(op, selections),
        Op::Workdir(op) if is_numeric(&op.user) => made(op),
        _ => None,
    };
    let Some(names) = landing else { return false };
    has_told_history(config) && names.iter().all(|name| is_unknown(name, config))
}

/// `1000` and `1000:root` need no account files.
fn is_numeric(owner: &str) -> bool {
    owner.split(':').all(|part| matches!(part, "" | "root") || part.parse::<u32>().is_ok())
}

fn unpacks(op: &CopyOp) -> bool {
    op.sources.iter().any(|source| match source {
        CopySource::Files(files) => files.unpack,
        CopySource::Download { unpack, .. } => *unpack,
        CopySource::Inline { .. } | CopySource::Repository { .. } => false,
    })
}

/// The names at the top of the tree that the directory has to do with.
fn made(op: &WorkdirOp) -> Option<Vec<String>> {
    Some(vec![first_name(Path::new(&op.path))?])
}

/// The names at the top of the tree that a copy has to do with; `None` if they are not known.
fn copied(op: &CopyOp, selections: &[Selection]) -> Option<Vec<String>> {
    if let Some(name) = first_name(Path::new(&op.destination)) {
        return Some(vec![name]);
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
    Some(names)
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
    let is_copy = ["COPY ", "ADD "].iter().any(|keyword| line.contains(keyword));
    is_copy && line.rsplit([' ', '\t']).next().is_some_and(|last| matches!(last, "/" | "." | "./" | "/."))
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

    use super::is_blind;
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
            assert_eq!(is_blind(&op, &selections, &base(history)), expected, "{destination} {owner:?} {history:?}");
        }
        let mut untold = base(&debian);
        untold.history.pop();
        assert!(!is_blind(&copy("/app/", None), &[], &untold));
        let workdir = |path: &str| Op::Workdir(WorkdirOp { path: path.to_owned(), user: String::new() });
        assert!(is_blind(&workdir("/app/x"), &[], &base(&debian)));
        assert!(!is_blind(&workdir("/home/x"), &[], &base(&debian)));
    }
}
