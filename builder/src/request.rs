//! What is built, and with what.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use dhow_layer_store::Store;
use dhow_runtime::{Resources, Rlimit};

use crate::cancel::CancelToken;
use crate::context::BuildContext;
use crate::dockerfile::instruction::Network;
use crate::event::EventSink;
use crate::finish::Finish;
use crate::named_contexts::NamedContexts;
use crate::plan::Options;
use crate::remote_source::RemoteSource;
use crate::source::SourceFile;
use crate::source_image::{ImageSource, PullPolicy};

/// Whether results of earlier builds are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CacheUse {
    /// They are.
    #[default]
    Use,
    /// Every step is executed (`--no-cache`); results are kept all the same.
    Ignore,
    /// Every step is executed, and no result is kept (`--verify`).
    Bypass,
}

/// Whether `RUN --security=insecure` may be executed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum InsecureRuns {
    /// It is an error.
    #[default]
    Refuse,
    /// `--allow security.insecure`.
    Allow,
}

/// What becomes of the sandbox of a `RUN` whose command failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnError {
    /// It goes.
    #[default]
    Stop,
    /// A shell runs in it, with dhow's own streams, before it goes.
    Shell,
    /// Its files become an image without a name.
    Keep,
}

/// A shell that needs no file of an image: a static program of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnShell {
    /// The program.
    pub program: PathBuf,
    /// What makes it a shell.
    pub args: Vec<String>,
}

/// What every `RUN` of a build gets.
#[derive(Debug, Clone)]
pub struct RunDefaults {
    /// `--network`; `default` is the host's.
    pub network: Network,
    /// The content of `/etc/resolv.conf` inside.
    pub resolv_conf: Vec<u8>,
    /// `--add-host`: names to addresses, for `/etc/hosts`.
    pub hosts: Vec<(String, String)>,
    /// `--shm-size` in bytes; 64 MiB if none is given.
    pub shm_size: Option<u64>,
    /// `--ulimit`.
    pub rlimits: Vec<Rlimit>,
    /// `--memory` and its like.
    pub resources: Resources,
    /// `--secret`, by id.
    pub secrets: BTreeMap<String, Vec<u8>>,
    /// `--ssh`: sockets of agents, by id.
    pub ssh: BTreeMap<String, PathBuf>,
    /// `--allow security.insecure`.
    pub insecure: InsecureRuns,
    /// `--on-error`.
    pub on_error: OnError,
    /// A shell for images that have none.
    pub own_shell: Option<OwnShell>,
}

impl Default for RunDefaults {
    fn default() -> Self {
        Self {
            network: Network::Default,
            resolv_conf: Vec::new(),
            hosts: Vec::new(),
            shm_size: None,
            rlimits: Vec::new(),
            resources: Resources::default(),
            secrets: BTreeMap::new(),
            ssh: BTreeMap::new(),
            insecure: InsecureRuns::default(),
            on_error: OnError::default(),
            own_shell: None,
        }
    }
}

/// What is built.
#[derive(Debug)]
pub struct BuildRequest<'a> {
    /// The Dockerfile.
    pub dockerfile: &'a SourceFile,
    /// Target, arguments, platform, labels.
    pub options: &'a Options,
    /// The directory that `COPY` and `ADD` read; without one their sources are missing.
    pub context: Option<&'a BuildContext>,
    /// Whether results of earlier builds are used.
    pub cache: CacheUse,
    /// Whether base images are looked up again.
    pub pull: PullPolicy,
    /// How many steps may be executed at once.
    pub jobs: NonZeroUsize,
    /// What every `RUN` gets.
    pub run: &'a RunDefaults,
    /// What becomes of the new layers when all steps are done.
    pub finish: Finish,
}

/// With what it is built.
#[derive(Clone, Copy)]
pub struct BuildEnv<'a> {
    /// Where layers, images and records of steps are kept.
    pub store: &'a Store,
    /// Where base images come from.
    pub images: &'a dyn ImageSource,
    /// Where files from the network come from.
    pub remote: &'a dyn RemoteSource,
    /// What `--build-context` names.
    pub contexts: &'a dyn NamedContexts,
    /// Who hears of the build.
    pub events: &'a dyn EventSink,
    /// Ends the build early.
    pub cancel: &'a CancelToken,
}
