//! What `--output`, `--push`, `--load` and `--annotation` ask for, as values.

use std::collections::BTreeMap;
use std::path::PathBuf;

use dhow_builder::FileTimes;
use dhow_layer_store::archive::Tables;
use dhow_layer_store::oci::{Compression, Reference};
use dhow_layer_store::{Dialect, ExistingBlobs, Packing};

use super::fields::Fields;
use crate::args::BuildArgs;
use crate::commands::tag::new_name;
use crate::problem::Problem;

/// All outputs of a build.
#[derive(Debug, Clone)]
pub(in crate::commands::build) struct Outputs {
    pub(super) list: Vec<Output>,
    /// The times of files in new layers.
    pub(in crate::commands::build) times: FileTimes,
}

/// One of them.
#[derive(Debug, Clone)]
pub(super) struct Output {
    pub(super) kind: Kind,
    /// The names that it has for itself; else those of `--tag`.
    pub(super) names: Option<Vec<Reference>>,
    pub(super) packing: Packing,
    /// Annotations of the manifest's entry in an `index.json`.
    pub(super) entry_annotations: BTreeMap<String, String>,
    times: Option<FileTimes>,
}

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

impl Outputs {
    /// What the command line asks for.
    ///
    /// # Errors
    /// An output has a type or a key that there is not, or they contradict each other.
    pub(in crate::commands::build) fn new(args: &BuildArgs) -> Result<Self, Problem> {
        let mut list = args.outputs.iter().map(|text| Output::parse(text)).collect::<Result<Vec<_>, _>>()?;
        if list.is_empty() {
            list.push(Output::new(Kind::Image(ImageOutput { store: true, ..ImageOutput::default() })));
        }
        if args.push {
            list.iter_mut().try_for_each(Output::push)?;
        }
        for annotation in &args.annotations {
            list.iter_mut().try_for_each(|output| output.annotate(annotation))?;
        }
        list.iter().try_for_each(Output::check)?;
        let mut wanted: Vec<FileTimes> = list.iter().filter_map(|output| output.times).collect();
        wanted.dedup();
        match wanted[..] {
            [] => Ok(Self { list, times: FileTimes::Clamp }),
            [times] => Ok(Self { list, times }),
            _ => Err(Problem::usage("outputs contradict each other in `rewrite-timestamp`")
                .hint("it holds for the build: give it the same value everywhere")),
        }
    }

    /// Whether one of them takes standard output for itself.
    pub(in crate::commands::build) fn use_stdout(&self) -> bool {
        let uses = |output: &Output| {
            matches!(&output.kind, Kind::Archive { dest: Dest::Stdout, .. } | Kind::Tar(Dest::Stdout))
        };
        self.list.iter().any(uses)
    }

    /// Whether the image stays in the store.
    pub(in crate::commands::build) fn keep_image(&self) -> bool {
        self.list.iter().any(|output| matches!(&output.kind, Kind::Image(image) if image.store))
    }

    /// The form in which the first image goes out.
    pub(in crate::commands::build) fn compression(&self) -> Compression {
        self.list.first().map_or(Compression::Gzip, |output| output.packing.compression)
    }
}

impl Output {
    fn new(kind: Kind) -> Self {
        let packing = Packing::default();
        Self { kind, names: None, packing, entry_annotations: BTreeMap::new(), times: None }
    }

    /// `-`, a directory, or fields.
    fn parse(text: &str) -> Result<Self, Problem> {
        if text == "-" {
            return Ok(Self::new(Kind::Tar(Dest::Stdout)));
        }
        if !text.contains('=') {
            return Ok(Self::new(Kind::Local { dest: PathBuf::from(text), others: Others::Keep }));
        }
        let mut fields = Fields::parse(text)?;
        let Some(kind) = fields.take("type") else {
            return Err(Problem::usage(format!("the output `{text}` has no type"))
                .hint("there are image, registry, docker, oci, tar, local and cacheonly"));
        };
        let mut output = Self::new(kind_of(&kind, &mut fields)?);
        if !matches!(output.kind, Kind::Tar(_) | Kind::Local { .. } | Kind::CacheOnly) {
            output.take_image_fields(&mut fields)?;
        }
        if !matches!(output.kind, Kind::CacheOnly) {
            let times = |rewrite| if rewrite { FileTimes::Clamp } else { FileTimes::Keep };
            output.times = fields.switch("rewrite-timestamp")?.map(times);
        }
        fields.finish()?;
        Ok(output)
    }

    fn take_image_fields(&mut self, fields: &mut Fields) -> Result<(), Problem> {
        if let Some(names) = fields.take("name") {
            let names = names.split(',').map(|name| new_name(name.trim())).collect::<Result<Vec<_>, _>>();
            self.names =
                Some(names.map_err(|_| fields.bad("name", "", "write NAME[:TAG], several in quotes: '\"name=a,b\"'"))?);
        }
        if let Some(name) = fields.take("compression") {
            self.packing.compression = match name.as_str() {
                "gzip" => Compression::Gzip,
                "zstd" => Compression::Zstd,
                "uncompressed" => Compression::None,
                _ => return Err(fields.bad("compression", &name, "there are gzip, zstd and uncompressed")),
            };
        }
        if let Some(level) = fields.take("compression-level") {
            self.packing.level = Some(
                self.level(&level)
                    .ok_or_else(|| fields.bad("compression-level", &level, "gzip has 0 to 9, zstd 0 to 22"))?,
            );
        }
        if fields.switch("force-compression")? == Some(true) {
            self.packing.existing = ExistingBlobs::Convert;
        }
        if fields.switch("oci-mediatypes")? == Some(false) {
            self.packing.dialect = Dialect::Docker;
        }
        for (key, value) in fields.take_prefixed("annotation") {
            self.add_annotation(&key, value, fields.text())?;
        }
        Ok(())
    }

    fn level(&self, text: &str) -> Option<u32> {
        let highest = match self.packing.compression {
            Compression::Gzip => 9,
            Compression::Zstd => 22,
            Compression::None => return None,
        };
        text.parse().ok().filter(|level| *level <= highest)
    }

    /// `--push`
    fn push(&mut self) -> Result<(), Problem> {
        match &mut self.kind {
            Kind::Image(image) => {
                image.push = true;
                Ok(())
            }
            _ => {
                Err(Problem::usage("`--push` needs an output that is an image").hint("add `-o type=registry` instead"))
            }
        }
    }

    /// Whether it has to see the content of all layers.
    pub(super) fn needs_layers(&self) -> bool {
        match &self.kind {
            Kind::Image(image) => image.unpack || self.packing.existing == ExistingBlobs::Convert,
            Kind::Archive { .. } | Kind::Layout { .. } | Kind::Tar(_) | Kind::Local { .. } => true,
            Kind::CacheOnly => false,
        }
    }

    /// What cannot go together.
    fn check(&self) -> Result<(), Problem> {
        if self.packing.dialect == Dialect::Docker && self.packing.compression == Compression::Zstd {
            return Err(
                Problem::usage("`compression=zstd` needs OCI's media types").hint("leave out `oci-mediatypes=false`")
            );
        }
        if self.packing.dialect == Dialect::Docker && !self.packing.annotations.is_empty() {
            return Err(Problem::usage("annotations need OCI's media types").hint("leave out `oci-mediatypes=false`"));
        }
        if !self.entry_annotations.is_empty() && !matches!(self.kind, Kind::Archive { .. } | Kind::Layout { .. }) {
            return Err(Problem::usage("annotations of a manifest's descriptor need an archive to stand in")
                .hint("give them to `type=oci`"));
        }
        Ok(())
    }
}

fn kind_of(kind: &str, fields: &mut Fields) -> Result<Kind, Problem> {
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
        "local" => {
            let dest = fields.take("dest").filter(|dest| !dest.is_empty());
            let dest =
                dest.ok_or_else(|| Problem::usage("the output `type=local` needs a directory").hint("add `dest=DIR`"))?;
            let others = match fields.take("mode").as_deref() {
                None | Some("copy") => Others::Keep,
                Some("delete") => Others::Delete,
                Some(other) => return Err(fields.bad("mode", other, "there are copy and delete")),
            };
            Kind::Local { dest: dest.into(), others }
        }
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
    // It changes only what the name is called elsewhere, which `--metadata-file` always tells.
    fields.switch("name-canonical")?;
    Ok(ImageOutput {
        push: fields.switch("push")?.unwrap_or(kind == "registry"),
        by_digest: fields.switch("push-by-digest")?.unwrap_or(false),
        insecure: fields.switch("registry.insecure")?.unwrap_or(false),
        store: fields.switch("store")?.unwrap_or(true),
        unpack: fields.switch("unpack")?.unwrap_or(false),
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

#[cfg(test)]
mod tests {
    use super::{Dest, Kind, Others, Output};
    use dhow_layer_store::archive::Tables;
    use dhow_layer_store::oci::Compression;
    use dhow_layer_store::{Dialect, ExistingBlobs};

    #[test]
    fn types_and_their_destinations() {
        let stdout = || Dest::Stdout;
        let file = |path: &str| Dest::File(path.into());
        for (text, expected) in [
            ("-", Kind::Tar(stdout())),
            ("out", Kind::Local { dest: "out".into(), others: Others::Keep }),
            ("type=local,dest=out,mode=delete", Kind::Local { dest: "out".into(), others: Others::Delete }),
            ("type=tar", Kind::Tar(stdout())),
            ("type=tar,dest=a.tar", Kind::Tar(file("a.tar"))),
            ("type=oci,dest=a.tar", Kind::Archive { tables: Tables::Oci, dest: file("a.tar") }),
            ("type=oci,tar=false,dest=a", Kind::Layout { tables: Tables::Oci, dest: "a".into() }),
            ("type=docker,dest=-", Kind::Archive { tables: Tables::Docker, dest: stdout() }),
            ("type=cacheonly", Kind::CacheOnly),
        ] {
            assert_eq!(Output::parse(text).unwrap().kind, expected, "{text}");
        }
    }

    #[test]
    fn keys_of_images() {
        let text = "type=registry,\"name=r.example/a:1,r.example/b\",compression=zstd,compression-level=19,force-compression,annotation.x.Y=1,annotation-manifest[linux/amd64].z=2";
        let output = Output::parse(text).unwrap();
        let Kind::Image(image) = &output.kind else { panic!("{:?}", output.kind) };
        assert!(image.push && image.store && !image.unpack);
        assert_eq!(output.names.unwrap().len(), 2);
        assert_eq!((output.packing.compression, output.packing.level), (Compression::Zstd, Some(19)));
        assert_eq!(output.packing.existing, ExistingBlobs::Convert);
        assert_eq!(output.packing.annotations["x.Y"], "1");
        assert_eq!(output.packing.annotations["z"], "2");
        let output = Output::parse("type=image,oci-mediatypes=false,push=true").unwrap();
        assert_eq!(output.packing.dialect, Dialect::Docker);
    }

    #[test]
    fn what_is_unknown_is_an_error_with_a_remedy() {
        for (text, hint) in [
            ("type=imag", "did you mean `image`?"),
            ("type=image,pusch=true", "did you mean `push`?"),
            ("type=oci,dest=a,compresion=zstd", "did you mean `compression`?"),
            ("dest=a", "image, registry"),
            ("type=local", "dest=DIR"),
            ("type=image,push=maybe", "true or false"),
            ("type=image,compression=lz4", "gzip, zstd"),
            ("type=image,compression-level=10", "0 to 9"),
            ("type=image,oci-artifact=true", "attestations"),
            ("type=image,annotation-index.a=b", "manifest"),
            ("type=oci,tar=false", "dest=DIR"),
            ("type=tar,compression=gzip", "it has"),
        ] {
            let problem = Output::parse(text).unwrap_err();
            assert!(problem.remedy().unwrap_or_default().contains(hint), "{text}: {problem} {:?}", problem.remedy());
        }
    }
}
