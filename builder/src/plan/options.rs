//! What a build is asked to do, apart from its Dockerfile.

use std::collections::BTreeMap;

use dhow_layer_store::oci::{Platform, Reference};

use super::unset::Unset;

/// Which stages are planned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Selection {
    /// The target and what it needs.
    #[default]
    Needed,
    /// Every stage, as the rules want it. Base images that are not resolved count as empty.
    All,
}

/// How steps are called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StepNames {
    /// By stage and place: `[build 2/5] RUN make`.
    #[default]
    Plain,
    /// With the platform in front, as several are built: `[linux/amd64 build 2/5] RUN make`.
    WithPlatform,
}

/// What a name of `--build-context` stands for, as far as that decides the plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContextKind {
    /// An image of a store or registry (`docker-image://`).
    Image(Reference),
    /// Nothing at all (`docker-image://scratch`).
    Scratch,
    /// Another stage of the file (`target:`).
    Stage(String),
    /// An image that the caller has (`oci-layout://`).
    OwnImage,
    /// Files: a directory, a repository, a download.
    Files,
}

/// The arguments of a build.
#[derive(Debug, Clone)]
pub struct Options {
    /// The stage to build; the last one if none is named.
    pub target: Option<String>,
    /// `--build-arg`; proxies belong here too.
    pub build_args: BTreeMap<String, String>,
    /// `--platform`; the machine's own if none is named.
    pub platform: Option<Platform>,
    /// The machine's own platform.
    pub host: Platform,
    /// `--label`, added to the image of the target.
    pub labels: BTreeMap<String, String>,
    /// `--build-context`, by name.
    pub named_contexts: BTreeMap<String, ContextKind>,
    /// `--unset`: what the target's base image does not hand down.
    pub unset: Vec<Unset>,
    /// Which stages are planned.
    pub selection: Selection,
    /// How steps are called.
    pub step_names: StepNames,
    /// What `SOURCE_DATE_EPOCH` stands for, once that is known: see [`Options::with_epoch`].
    pub epoch: Option<KnownEpoch>,
}

/// The seconds since 1970 that `SOURCE_DATE_EPOCH` stands for; none if what it names has no date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownEpoch(pub Option<i64>);

impl Options {
    /// A plain build on a machine of platform `host`.
    pub fn new(host: Platform) -> Self {
        Self {
            target: None,
            build_args: BTreeMap::new(),
            platform: None,
            host,
            labels: BTreeMap::new(),
            named_contexts: BTreeMap::new(),
            unset: Vec::new(),
            selection: Selection::default(),
            step_names: StepNames::default(),
            epoch: None,
        }
    }

    /// The same with a date in the place of what `SOURCE_DATE_EPOCH` names: `ARG SOURCE_DATE_EPOCH` gives its seconds, and
    /// nothing where there is no date.
    pub fn with_epoch(&self, seconds: Option<i64>) -> Self {
        let mut options = Self { epoch: Some(KnownEpoch(seconds)), ..self.clone() };
        if options.build_args.remove(EPOCH).is_some()
            && let Some(seconds) = seconds
        {
            options.build_args.insert(EPOCH.to_owned(), seconds.to_string());
        }
        options
    }

    /// The platform that is built for.
    pub fn target_platform(&self) -> &Platform {
        self.platform.as_ref().unwrap_or(&self.host)
    }
}

/// The build arguments that are proxies. They reach `RUN` undeclared, and neither keys nor history.
pub const PROXY_ARGS: [&str; 10] = [
    "HTTP_PROXY",
    "http_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "FTP_PROXY",
    "ftp_proxy",
    "NO_PROXY",
    "no_proxy",
    "ALL_PROXY",
    "all_proxy",
];

/// The build argument and global `ARG` that gives a date.
pub(super) const EPOCH: &str = "SOURCE_DATE_EPOCH";

/// Build arguments that steer the builder and need no `ARG`.
pub(crate) const BUILDER_ARGS: [&str; 11] = [
    "BUILDKIT_BUILD_NAME",
    "BUILDKIT_CACHE_MOUNT_NS",
    "BUILDKIT_CONTEXT_KEEP_GIT_DIR",
    "BUILDKIT_DOCKERFILE_CHECK",
    "BUILDKIT_INLINE_CACHE",
    "BUILDKIT_MULTI_PLATFORM",
    "BUILDKIT_SANDBOX_HOSTNAME",
    "BUILDKIT_SBOM_SCAN_CONTEXT",
    "BUILDKIT_SBOM_SCAN_STAGE",
    "BUILDKIT_SYNTAX",
    EPOCH,
];
