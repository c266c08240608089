//! `PreferCopy`: `ADD` is used for what `COPY` cannot do.

use crate::dockerfile::ast::{Instruction, Source};
use crate::dockerfile::instruction::Add;
use crate::lint::rule::{Finding, Rule, Standing, Subject};

/// The rule.
pub(crate) const RULE: Rule =
    Rule { name: "PreferCopy", summary: "`ADD` is used for what `COPY` cannot do", standing: Standing::On, check };

fn check(subject: &Subject<'_>) -> Vec<Finding> {
    subject
        .statements()
        .filter_map(|statement| match &statement.instruction {
            Instruction::Add(add) if is_plain(add) => {
                let message = "`ADD` unpacks and downloads where a name looks like it; nothing here needs that";
                Some(Finding::new(statement.keyword.span, statement.span, message).hint("write `COPY`"))
            }
            _ => None,
        })
        .collect()
}

/// Whether `COPY` would do the same.
fn is_plain(add: &Add) -> bool {
    let flags = add.checksum.is_some() || add.keep_git_dir.is_some() || add.unpack.is_some();
    !flags
        && add.transfer.sources.iter().all(|source| match source {
            Source::Heredoc(_) => true,
            Source::Path(path) => is_plain_path(&path.text),
        })
}

fn is_plain_path(path: &str) -> bool {
    let remote = path.contains("://") || path.starts_with("git@");
    let name = path.to_lowercase();
    let archive = ["tar", "tgz", "tbz", "tbz2", "txz", "tlz", "gz", "bz2", "xz", "zst"];
    let packed = name.split('.').skip(1).any(|part| archive.contains(&part));
    !remote && !packed && !path.contains(['$', '*', '?', '['])
}
