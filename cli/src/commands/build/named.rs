//! `--build-context NAME=SOURCE`: what the names stand for, and their files or images when a step needs them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::Context;
use dhow_builder::ignore::IgnoreRules;
use dhow_builder::plan::{ContextKind, GitSource};
use dhow_builder::{BuildContext, NamedContexts, ResolvedImage, SourceError};
use dhow_layer_store::archive::{LayoutPick, image_from_layout};
use dhow_layer_store::oci::{Platform, Reference};

use super::dockerfile;
use super::fetched::{Fetched, From, git_source};
use crate::problem::Problem;
use crate::wiring::boxed;

/// Where a context comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Source {
    /// `docker-image://NAME`; `scratch` has none.
    Image(Option<Reference>),
    /// `oci-layout://DIR[:TAG|@DIGEST]`
    Layout(PathBuf, LayoutPick),
    /// `target:STAGE`
    Stage(String),
    /// A directory of this machine.
    Directory(PathBuf),
    /// A repository.
    Git(GitSource),
    /// A file on a web server.
    Url(String),
}

/// What was typed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Named(BTreeMap<String, Source>);

impl Named {
    /// Reads `NAME=SOURCE` each; the last of a name counts.
    ///
    /// # Errors
    /// One of them is of no kind that there is.
    pub(super) fn parse(typed: &[String]) -> anyhow::Result<Self> {
        let mut sources = BTreeMap::new();
        for text in typed {
            let usage = || Problem::usage(format!("`{text}` is no build context")).hint("write NAME=SOURCE");
            let (name, source) = text.split_once('=').ok_or_else(usage)?;
            if name.is_empty() || source.is_empty() {
                return Err(usage().into());
            }
            sources.insert(name.to_owned(), Source::parse(source)?);
        }
        Ok(Self(sources))
    }

    /// What the plan has to know.
    pub(super) fn kinds(&self) -> BTreeMap<String, ContextKind> {
        let kind = |source: &Source| match source {
            Source::Image(Some(reference)) => ContextKind::Image(reference.clone()),
            Source::Image(None) => ContextKind::Scratch,
            Source::Layout(..) => ContextKind::OwnImage,
            Source::Stage(name) => ContextKind::Stage(name.clone()),
            Source::Directory(_) | Source::Git(_) | Source::Url(_) => ContextKind::Files,
        };
        self.0.iter().map(|(name, source)| (name.clone(), kind(source))).collect()
    }
}

impl Source {
    fn parse(text: &str) -> anyhow::Result<Self> {
        if let Some(name) = text.strip_prefix("docker-image://") {
            let reference = (name != "scratch").then(|| name.parse::<Reference>());
            return Ok(Self::Image(reference.transpose()?));
        }
        if let Some(layout) = text.strip_prefix("oci-layout://") {
            return layout_of(layout);
        }
        if let Some(stage) = text.strip_prefix("target:") {
            return Ok(Self::Stage(stage.to_owned()));
        }
        if let Some(repository) = git_source(text)?.filter(|_| !Path::new(text).exists()) {
            return Ok(Self::Git(repository));
        }
        if text.starts_with("http://") || text.starts_with("https://") {
            return Ok(Self::Url(text.to_owned()));
        }
        if let Some((scheme, _)) = text.split_once("://") {
            return Err(Problem::usage(format!("`{scheme}://` is no kind of build context")).into());
        }
        let path = Path::new(text);
        match path.is_dir() {
            true => Ok(Self::Directory(path.to_owned())),
            false => Err(Problem::usage(format!("the build context `{text}` is not a directory")).into()),
        }
    }
}

/// A colon in the last component begins a tag.
fn layout_of(text: &str) -> anyhow::Result<Source> {
    let (path, pick) = match (text.split_once('@'), text.rsplit_once(':')) {
        (Some((path, digest)), _) => {
            let digest = digest.parse().map_err(|_| Problem::usage(format!("`{digest}` is no digest")))?;
            // A tag before a digest says nothing more.
            let path = path.rsplit_once(':').filter(|(_, tag)| !tag.contains('/')).map_or(path, |(path, _)| path);
            (path, LayoutPick::Digest(digest))
        }
        (None, Some((path, tag))) if !tag.contains('/') => (path, LayoutPick::Tag(tag.to_owned())),
        _ => (text, LayoutPick::Any),
    };
    Ok(Source::Layout(PathBuf::from(path), pick))
}

/// Opens them for the builder.
pub(super) struct Contexts<'a> {
    pub(super) named: &'a Named,
    pub(super) from: &'a From<'a>,
    /// What was fetched; it goes with the build.
    fetched: Mutex<Vec<Fetched>>,
}

impl<'a> Contexts<'a> {
    /// Nothing is opened yet.
    pub(super) fn new(named: &'a Named, from: &'a From<'a>) -> Self {
        Self { named, from, fetched: Mutex::default() }
    }

    fn open(&self, name: &str) -> anyhow::Result<BuildContext> {
        match self.named.0.get(name) {
            Some(Source::Directory(path)) => {
                let rules = dockerfile::ignore_rules(None, path)?;
                Ok(BuildContext::open(path, rules, self.from.store)?)
            }
            Some(Source::Url(url)) => self.keep(Fetched::download(url, self.from)?),
            Some(Source::Git(source)) => self.keep(Fetched::checkout(source, self.from)?),
            _ => Err(anyhow::anyhow!("it has no files")),
        }
    }

    fn keep(&self, fetched: Fetched) -> anyhow::Result<BuildContext> {
        let context =
            BuildContext::open(&fetched.path(), IgnoreRules::default(), self.from.store)?.dated(fetched.date());
        self.fetched.lock().unwrap_or_else(PoisonError::into_inner).push(fetched);
        Ok(context)
    }

    fn resolve(&self, name: &str, platform: &Platform) -> anyhow::Result<ResolvedImage> {
        let Some(Source::Layout(path, pick)) = self.named.0.get(name) else { anyhow::bail!("it is no image") };
        let image = image_from_layout(self.from.store, path, (pick, platform))
            .with_context(|| format!("cannot take an image from the layout `{}`", path.display()))?;
        let image = self.from.store.image(&image)?;
        Ok(ResolvedImage { digest: *image.id.digest(), config: image.config.value().clone(), stack: image.stack() })
    }
}

impl NamedContexts for Contexts<'_> {
    fn image(&self, name: &str, platform: &Platform) -> Result<ResolvedImage, SourceError> {
        self.resolve(name, platform).map_err(boxed)
    }

    fn files(&self, name: &str) -> Result<BuildContext, SourceError> {
        self.open(name).map_err(boxed)
    }
}

#[cfg(test)]
mod tests {
    use dhow_layer_store::archive::LayoutPick;
    use dhow_layer_store::oci::Digest;

    use super::{Named, Source};

    #[test]
    fn sources_of_every_kind_are_told_apart() {
        let digest = Digest::of(b"");
        for (text, expected) in [
            ("docker-image://scratch", Source::Image(None)),
            ("docker-image://debian:13", Source::Image(Some("debian:13".parse().unwrap()))),
            ("oci-layout:///a/b", Source::Layout("/a/b".into(), LayoutPick::Any)),
            ("oci-layout://./b:1.0", Source::Layout("./b".into(), LayoutPick::Tag("1.0".to_owned()))),
            (&format!("oci-layout:///a:b/c:t@{digest}"), Source::Layout("/a:b/c".into(), LayoutPick::Digest(digest))),
            ("target:base", Source::Stage("base".to_owned())),
            ("https://example.com/x", Source::Url("https://example.com/x".to_owned())),
            ("/tmp", Source::Directory("/tmp".into())),
        ] {
            assert_eq!(Source::parse(text).unwrap(), expected, "{text}");
        }
        for wrong in ["/no/such/directory", "ftp://x/y", "docker-image://A", "oci-layout://x@sha256:1"] {
            assert!(Source::parse(wrong).is_err(), "{wrong}");
        }
        for wrong in ["x", "=y", "x="] {
            assert!(Named::parse(&[wrong.to_owned()]).is_err(), "{wrong}");
        }
    }
}
