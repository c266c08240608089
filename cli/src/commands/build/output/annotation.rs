//! Annotations of an image: `--annotation`, and the keys `annotation…` of an output.

use super::spec::{Kind, Output};
use crate::problem::Problem;

impl Output {
    /// `.KEY`, `-manifest.KEY`, `-manifest-descriptor.KEY`, each also with `[PLATFORM]` before the point.
    pub(super) fn add_annotation(&mut self, level: &str, value: String, text: &str) -> Result<(), Problem> {
        let bad = |why: &str, hint: &str| Err(Problem::usage(format!("the output `{text}`: {why}")).hint(hint));
        let Some((level, key)) = level.split_once('.').filter(|(_, key)| !key.is_empty()) else {
            return bad("an annotation has no name", "write annotation.NAME=VALUE");
        };
        let level = level.split('[').next().unwrap_or(level);
        match level {
            "" | "-manifest" => self.packing.annotations.insert(key.to_owned(), value),
            "-manifest-descriptor" => self.entry_annotations.insert(key.to_owned(), value),
            "-index" | "-index-descriptor" => {
                return bad(
                    "an image for one platform has no index to annotate",
                    "annotate the manifest: annotation.NAME=VALUE",
                );
            }
            _ => return bad("there is no such level of annotations", "there are annotation. and annotation-manifest."),
        };
        Ok(())
    }

    /// `--annotation [LEVEL[,LEVEL]:]KEY=VALUE`
    pub(super) fn annotate(&mut self, typed: &str) -> Result<(), Problem> {
        if matches!(self.kind, Kind::Tar(_) | Kind::Local { .. } | Kind::CacheOnly) {
            return Err(Problem::usage("`--annotation` needs an output that is an image"));
        }
        let Some((name, value)) = typed.split_once('=') else {
            return Err(
                Problem::usage(format!("`{typed}` is no annotation")).hint("write NAME=VALUE, or manifest:NAME=VALUE")
            );
        };
        let levels = name.split_once(':').filter(|(levels, _)| {
            levels.split(',').all(|level| {
                ["manifest", "index"].contains(&level.split('[').next().unwrap_or(level))
                    || level.contains("-descriptor")
            })
        });
        let (levels, key) = levels.unwrap_or(("manifest", name));
        for level in levels.split(',') {
            self.add_annotation(&format!("-{level}.{key}"), value.to_owned(), typed)?;
        }
        Ok(())
    }
}
