//! The kinds of outputs, and the fields that only one of them has.

use std::path::PathBuf;

use dhow_layer_store::archive::Tables;

use super::fields::Fields;
use crate::commands::tag::new_name;
use crate::problem::Problem;

/// What an output is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// An image in the store, in a registry, or both.
    Image(ImageOutput),
    /// An image in a file, as a tar.
    Archive { tables: Tables, dest: Dest },
    /// An image as an OCI layout in a directory.
    Layout { tables: Tables, dest: PathBuf },
    /// Its files as a tar.
    Tar(Dest),
    /// Its files in a directory.
    Local { dest: PathBuf, others: Others },
    /// Nothing: the steps' results stay in the cache.
    CacheOnly,
}

/// Where an image is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct ImageOutput {
    pub(super) push: bool,
    /// Without a tag.
    pub(super) by_digest: bool,
    pub(super) insecure: bool,
    pub(super) store: bool,
    pub(super) unpack: bool,
    /// Whether it gets its names with its digest, too.
    pub(super) canonical: bool,
    /// A repository in which it gets its digest for a name.
    pub(super) dangling: Option<String>,
    /// Whether that is so only for an image without names.
    pub(super) dangling_if_nameless: bool,
}

/// A file, or standard output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Dest {
    Stdout,
    File(PathBuf),
}

/// What becomes of other files in a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Others {
    Keep,
    Delete,
}

/// The kind that the field `type` names, with the fields that only it has.
///
/// # Errors
/// There is no such kind, or a field of it has no value that it could have.
pub(super) fn parse(kind: &str, fields: &mut Fields) -> Result<Kind, Problem> {
    Ok(match kind {
        "image" | "registry" => Kind::Image(image_of(fields, kind)?),
        "docker" => match fields.take("dest") {
            None => Kind::Image(ImageOutput { store: true, ..ImageOutput::default() }),
            Some(dest) => archive_of(fields, Tables::Docker, dest)?,
        },
        "oci" => {
            let dest = fields.take("dest").unwrap_or_else(|| "-".to_owned());
            archive_of(fields, Tables::Oci, dest)?
        }
        "tar" => Kind::Tar(dest_of(&fields.take("dest").unwrap_or_else(|| "-".to_owned()))),
        "local" => local_of(fields)?,
        "cacheonly" => Kind::CacheOnly,
        other => {
            let types = ["image", "registry", "docker", "oci", "tar", "local", "cacheonly"];
            let problem = Problem::usage(format!("there is no output of the type `{other}`"));
            return Err(match dhow_builder::nearest(other, types) {
                Some(near) => problem.hint(format!("did you mean `{near}`?")),
                None => problem.hint(format!("there are {}", types.join(", "))),
            });
        }
    })
}

fn image_of(fields: &mut Fields, kind: &str) -> Result<ImageOutput, Problem> {
    let dangling = fields.take("dangling-name-prefix").filter(|prefix| !prefix.is_empty());
    if dangling.as_ref().is_some_and(|prefix| new_name(prefix).is_err() || prefix.contains(':')) {
        let prefix = dangling.unwrap_or_default();
        return Err(fields.bad("dangling-name-prefix", &prefix, "write a name without a tag, such as `dangling`"));
    }
    Ok(ImageOutput {
        push: fields.switch("push")?.unwrap_or(kind == "registry"),
        by_digest: fields.switch("push-by-digest")?.unwrap_or(false),
        insecure: fields.switch("registry.insecure")?.unwrap_or(false),
        store: fields.switch("store")?.unwrap_or(true),
        unpack: fields.switch("unpack")?.unwrap_or(false),
        canonical: fields.switch("name-canonical")?.unwrap_or(false),
        dangling,
        // BuildKit's own spelling.
        dangling_if_nameless: fields.switch("danging-name-empty-only")?.unwrap_or(false),
    })
}

fn archive_of(fields: &mut Fields, tables: Tables, dest: String) -> Result<Kind, Problem> {
    match (fields.switch("tar")?, dest.as_str()) {
        (Some(false), "-" | "") => {
            Err(Problem::usage("a directory cannot go to standard output").hint("add `dest=DIR`"))
        }
        (Some(false), _) => Ok(Kind::Layout { tables, dest: dest.into() }),
        _ => Ok(Kind::Archive { tables, dest: dest_of(&dest) }),
    }
}

fn dest_of(text: &str) -> Dest {
    if matches!(text, "-" | "") { Dest::Stdout } else { Dest::File(text.into()) }
}

fn local_of(fields: &mut Fields) -> Result<Kind, Problem> {
    let dest = fields.take("dest").filter(|dest| !dest.is_empty());
    let dest =
        dest.ok_or_else(|| Problem::usage("the output `type=local` needs a directory").hint("add `dest=DIR`"))?;
    let others = match fields.take("mode").as_deref() {
        None | Some("copy") => Others::Keep,
        Some("delete") => Others::Delete,
        Some(other) => return Err(fields.bad("mode", other, "there are copy and delete")),
    };
    Ok(Kind::Local { dest: dest.into(), others })
}
