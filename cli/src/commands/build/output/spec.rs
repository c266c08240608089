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
    pub(super) times: Option<FileTimes>,
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
    pub(super) fn new(kind: Kind) -> Self {
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
    pub(super) fn parse(text: &str) -> Result<Self, Problem> {
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
    pub(super) fn check(&self, platforms: &[Platform]) -> Result<(), Problem> {
        let is_docker = self.packing.dialect == Dialect::Docker;
        let is_archive = matches!(self.kind, Kind::Archive { .. } | Kind::Layout { .. });
        let is_several = platforms.len() > 1;
        let has_index_json = is_several && is_archive;
        let (what, hint) = if is_docker && self.packing.compression == Compression::Zstd {
            ("`compression=zstd` needs OCI's media types", "leave out `oci-mediatypes=false`")
        } else if is_docker && !self.annotations.is_empty() {
            ("annotations need OCI's media types", "leave out `oci-mediatypes=false`")
        } else if !self.annotations.index.is_empty() && !is_several {
            ("an image for one platform has no index to annotate", "annotate the manifest: annotation.NAME=VALUE")
        } else if !self.annotations.index_entry.is_empty() && !has_index_json {
            ("annotations of an index's descriptor need an archive of several platforms", "give them to `type=oci`")
        } else if self.annotations.are_of_entries() && !is_several && !is_archive {
            ("annotations of a manifest's descriptor need an archive to stand in", "give them to `type=oci`")
        } else if matches!(&self.kind, Kind::Image(image) if image.push && image.dangling.is_some()) {
            ("a name by `dangling-name-prefix` is of the store alone", "leave it out of an output that is pushed")
        } else if is_several && matches!(self.kind, Kind::Tar(_)) && self.directories == Directories::Never {
            ("a tar has a directory for each platform", "use `type=local`, or leave out `platform-split`")
        } else {
            let host = [Platform::host()];
            return self.annotations.check(if platforms.is_empty() { &host } else { platforms });
        };
        Err(Problem::usage(what).hint(hint))
    }
}
