//! Annotations of images: `--annotation`, and the keys `annotation…` of an output.

use std::collections::BTreeMap;

use dhow_layer_store::oci::Platform;

use super::kind::Kind;
use super::spec::Output;
use crate::problem::Problem;

/// All annotations of an output, by what they are of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Annotations {
    /// Of the index.
    pub(super) index: BTreeMap<String, String>,
    /// Of the index's entry in an `index.json`.
    pub(super) index_entry: BTreeMap<String, String>,
    manifest: Vec<Annotation>,
    /// Of the manifest's entry in an index.
    manifest_entry: Vec<Annotation>,
}

/// An annotation for one platform or for all.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Annotation {
    platform: Option<Platform>,
    key: String,
    value: String,
}

impl Annotations {
    /// `.KEY`, `-manifest.KEY`, `-manifest-descriptor.KEY`, each also with `[PLATFORM]` before the point; `-index.KEY`,
    /// `-index-descriptor.KEY`.
    ///
    /// # Errors
    /// The level is none of these.
    pub(super) fn add(&mut self, level: &str, value: String, text: &str) -> Result<(), Problem> {
        let bad = |why: &str, hint: &str| Problem::usage(format!("the output `{text}`: {why}")).hint(hint);
        // A platform has no point, a key may have brackets.
        let Some((level, key)) = level.split_once('.').filter(|(_, key)| !key.is_empty()) else {
            return Err(bad("an annotation has no name", "write annotation.NAME=VALUE"));
        };
        let (level, platform) = match level.strip_suffix(']').and_then(|level| level.split_once('[')) {
            Some((level, platform)) => {
                let parsed = platform.parse::<Platform>().map_err(|error| bad(&error.to_string(), "write OS/ARCH"))?;
                (level, Some(parsed))
            }
            None => (level, None),
        };
        let key = key.to_owned();
        match (level, &platform) {
            ("" | "-manifest", _) => self.manifest.push(Annotation { platform, key, value }),
            ("-manifest-descriptor", _) => self.manifest_entry.push(Annotation { platform, key, value }),
            ("-index", None) => drop(self.index.insert(key, value)),
            ("-index-descriptor", None) => drop(self.index_entry.insert(key, value)),
            ("-index" | "-index-descriptor", Some(_)) => {
                return Err(bad("an index is of all platforms", "leave out the platform, or annotate the manifest"));
            }
            _ => {
                return Err(bad(
                    "there is no such level of annotations",
                    "there are manifest, manifest-descriptor, index and index-descriptor",
                ));
            }
        }
        Ok(())
    }

    /// Those of the manifest for `platform`.
    pub(super) fn of_manifest(&self, platform: &Platform) -> BTreeMap<String, String> {
        of_platform(&self.manifest, platform)
    }

    /// Those of its entry in an index.
    pub(super) fn of_entry(&self, platform: &Platform) -> BTreeMap<String, String> {
        of_platform(&self.manifest_entry, platform)
    }

    /// Whether there are some of manifests' entries.
    pub(super) fn are_of_entries(&self) -> bool {
        !self.manifest_entry.is_empty()
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Checks that every platform that is named is built for.
    ///
    /// # Errors
    /// One is not.
    pub(super) fn check(&self, platforms: &[Platform]) -> Result<(), Problem> {
        let named = self.manifest.iter().chain(&self.manifest_entry).filter_map(|one| one.platform.as_ref());
        let is_built = |named: &&Platform| platforms.iter().any(|platform| platform.serves(named));
        let Some(other) = named.into_iter().find(|named| !is_built(named)) else { return Ok(()) };
        let built: Vec<String> = platforms.iter().map(|platform| format!("`{platform}`")).collect();
        Err(Problem::usage(format!("an annotation is for `{other}`, which nothing is built for"))
            .hint(format!("this build is for {}", built.join(", "))))
    }
}

/// What is for one platform counts more than what is for all.
fn of_platform(annotations: &[Annotation], platform: &Platform) -> BTreeMap<String, String> {
    let own = |one: &&Annotation| one.platform.as_ref().is_some_and(|named| named.serves(platform));
    let general = annotations.iter().filter(|one| one.platform.is_none());
    general.chain(annotations.iter().filter(own)).map(|one| (one.key.clone(), one.value.clone())).collect()
}

impl Output {
    /// `--annotation [LEVEL[,LEVEL]:]KEY=VALUE`
    ///
    /// # Errors
    /// It is none, or the output is no image.
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
                let level = level.split('[').next().unwrap_or(level);
                matches!(level, "manifest" | "manifest-descriptor" | "index" | "index-descriptor")
            })
        });
        let (levels, key) = levels.unwrap_or(("manifest", name));
        for level in levels.split(',') {
            self.annotations.add(&format!("-{level}.{key}"), value.to_owned(), typed)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Annotations;

    #[test]
    fn a_platform_has_its_own_and_those_for_all() {
        let mut annotations = Annotations::default();
        for (level, value) in [
            ("[linux/arm64].x.y", "arm"),
            (".x.y", "all"),
            ("-manifest.z", "z"),
            ("-manifest-descriptor[linux/amd64].d", "d"),
            ("-index.i", "i"),
        ] {
            annotations.add(level, value.to_owned(), "text").unwrap();
        }
        let [amd64, arm64] = ["linux/amd64", "linux/arm64/v8"].map(|platform| platform.parse().unwrap());
        let of = |platform| annotations.of_manifest(platform).into_values().collect::<Vec<_>>().join(" ");
        assert_eq!((of(&amd64), of(&arm64)), ("all z".to_owned(), "arm z".to_owned()));
        assert_eq!(annotations.of_entry(&amd64).len() + annotations.of_entry(&arm64).len(), 1);
        assert_eq!(annotations.index["i"], "i");
        for wrong in ["x", "-manifest.", "-frob.x", "[a/b/c/d].x", "-index[linux/amd64].x"] {
            assert!(annotations.add(wrong, String::new(), "text").is_err(), "{wrong}");
        }
    }
}
