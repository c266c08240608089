//! What `--output`, `--push`, `--load` and `--annotation` ask for, as values.

use std::path::PathBuf;

use dhow_builder::FileTimes;
use dhow_layer_store::oci::{Compression, Platform, Reference};
use dhow_layer_store::{Dialect, ExistingBlobs, Packing};

use super::annotation::Annotations;
use super::fields::Fields;
use super::kind::{self, Dest, ImageOutput, Kind, Others};
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
    pub(super) annotations: Annotations,
    /// Whether files of each platform get a directory of their own.
    pub(super) directories: Directories,
    times: Option<FileTimes>,
}

/// Whether files of each platform get a directory of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Directories {
    /// Where there are several platforms.
    #[default]
    Several,
    /// Also where there is only one.
    Always,
    /// Never.
    Never,
}

impl Outputs {
    /// What the command line asks for.
    ///
    /// # Errors
    /// An output has a type or a key that there is not, or they contradict each other or `platforms`, those to build for.
    pub(in crate::commands::build) fn new(args: &BuildArgs, platforms: &[Platform]) -> Result<Self, Problem> {
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
        list.iter().try_for_each(|output| output.check(platforms))?;
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
        Self {
            kind,
            names: None,
            packing: Packing::default(),
            annotations: Annotations::default(),
            directories: Directories::default(),
            times: None,
        }
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
        let mut output = Self::new(kind::parse(&kind, &mut fields)?);
        if !matches!(output.kind, Kind::Tar(_) | Kind::Local { .. } | Kind::CacheOnly) {
            output.take_image_fields(&mut fields)?;
        }
        if matches!(output.kind, Kind::Tar(_) | Kind::Local { .. }) {
            output.directories = match fields.switch("platform-split")? {
                None => Directories::Several,
                Some(true) => Directories::Always,
                Some(false) => Directories::Never,
            };
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
            self.annotations.add(&key, value, fields.text())?;
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

    /// Whether images may go with the manifests that they came with.
    pub(super) fn is_plain(&self) -> bool {
        self.packing.is_plain() && self.annotations.is_empty()
    }

    /// How the image for `platform` is packed.
    pub(super) fn packing_for(&self, platform: &Platform) -> Packing {
        Packing { annotations: self.annotations.of_manifest(platform), ..self.packing.clone() }
    }

    /// The directory for the files of `platform`, of so many; empty where they get none.
    pub(super) fn directory_for(&self, platform: &Platform, count: usize) -> String {
        match self.directories {
            Directories::Several if count < 2 => String::new(),
            Directories::Never => String::new(),
            Directories::Several | Directories::Always => platform.to_string().replace('/', "_"),
        }
    }

    /// What cannot go together.
    fn check(&self, platforms: &[Platform]) -> Result<(), Problem> {
        let is_docker = self.packing.dialect == Dialect::Docker;
        let is_archive = matches!(self.kind, Kind::Archive { .. } | Kind::Layout { .. });
        let is_several = platforms.len() > 1;
        let (what, hint) = if is_docker && self.packing.compression == Compression::Zstd {
            ("`compression=zstd` needs OCI's media types", "leave out `oci-mediatypes=false`")
        } else if is_docker && !self.annotations.is_empty() {
            ("annotations need OCI's media types", "leave out `oci-mediatypes=false`")
        } else if !self.annotations.index.is_empty() && !is_several {
            ("an image for one platform has no index to annotate", "annotate the manifest: annotation.NAME=VALUE")
        } else if !self.annotations.index_entry.is_empty() && !(is_several && is_archive) {
            ("annotations of an index's descriptor need an archive of several platforms", "give them to `type=oci`")
        } else if self.annotations.are_of_entries() && !is_several && !is_archive {
            ("annotations of a manifest's descriptor need an archive to stand in", "give them to `type=oci`")
        } else if is_several && matches!(self.kind, Kind::Tar(_)) && self.directories == Directories::Never {
            ("a tar has a directory for each platform", "use `type=local`, or leave out `platform-split`")
        } else {
            let host = [Platform::host()];
            return self.annotations.check(if platforms.is_empty() { &host } else { platforms });
        };
        Err(Problem::usage(what).hint(hint))
    }
}

#[cfg(test)]
mod tests {
    use super::{Dest, Directories, Kind, Others, Output};
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
        let amd64 = "linux/amd64".parse().unwrap();
        assert_eq!(output.packing_for(&amd64).annotations["x.Y"], "1");
        assert_eq!(output.packing_for(&amd64).annotations["z"], "2");
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
            ("type=image,annotation-indx.a=b", "index-descriptor"),
            ("type=oci,tar=false", "dest=DIR"),
            ("type=tar,compression=gzip", "it has"),
        ] {
            let problem = Output::parse(text).unwrap_err();
            assert!(problem.remedy().unwrap_or_default().contains(hint), "{text}: {problem} {:?}", problem.remedy());
        }
    }

    #[test]
    fn what_only_several_platforms_have() {
        let one = ["linux/amd64".parse().unwrap()];
        let both = [one[0].clone(), "linux/arm64".parse().unwrap()];
        for (text, for_one, for_both) in [
            ("type=oci,dest=a,annotation-index.a=b", Some("annotate the manifest"), None),
            ("type=oci,dest=a,annotation-index-descriptor.a=b", Some("type=oci"), None),
            ("type=image,annotation-index-descriptor.a=b", Some("type=oci"), Some("type=oci")),
            ("type=image,annotation-manifest-descriptor.a=b", Some("type=oci"), None),
            ("type=image,annotation[linux/arm64/v8].a=b", Some("`linux/amd64`"), None),
            ("type=image,annotation[linux/s390x].a=b", Some("`linux/amd64`"), Some("`linux/arm64`")),
            ("type=tar,platform-split=false", None, Some("type=local")),
            ("type=local,dest=a,platform-split=false", None, None),
        ] {
            let output = Output::parse(text).unwrap();
            for (platforms, expected) in [(&one[..], for_one), (&both, for_both)] {
                let hint = output.check(platforms).err().map(|problem| problem.remedy().unwrap_or_default().to_owned());
                let is_right = hint.as_ref().map(|hint| expected.is_some_and(|expected| hint.contains(expected)));
                assert_eq!(is_right.unwrap_or(expected.is_none()), true, "{text} {platforms:?}: {hint:?}");
            }
        }
    }

    #[test]
    fn files_of_each_platform_have_a_directory() {
        let platform = "linux/arm/v7".parse().unwrap();
        for (directories, one, two) in [
            (Directories::Several, "", "linux_arm_v7"),
            (Directories::Always, "linux_arm_v7", "linux_arm_v7"),
            (Directories::Never, "", ""),
        ] {
            let output = Output { directories, ..Output::new(Kind::CacheOnly) };
            assert_eq!((output.directory_for(&platform, 1).as_str(), &*output.directory_for(&platform, 2)), (one, two));
        }
    }
}
