//! What the nodes of a plan do: values only, every variable expanded, every path absolute.
//!
//! How they are done, and whether they can be done here, is the engine's matter.

use dhow_layer_store::oci::{Platform, Reference};

use super::git::GitSource;
use super::graph::NodeId;
use super::mode::Mode;
use super::mount::Mount;
use crate::dockerfile::instruction::{Network, Security};

/// Where a root file system comes from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BaseSource {
    /// An image of a store or registry.
    Image(Reference),
    /// The image that a name of `--build-context` stands for.
    NamedContext(String),
}

/// An image that stages are built from, or copy from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BaseImage {
    /// Where it comes from.
    pub source: BaseSource,
    /// For which platform.
    pub platform: Platform,
}

impl BaseImage {
    /// The short name that people know it by.
    pub fn name(&self) -> String {
        match &self.source {
            BaseSource::Image(reference) => reference.familiar(),
            BaseSource::NamedContext(name) => name.clone(),
        }
    }
}

/// What a node does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// An empty root.
    Scratch,
    /// The root of an image.
    Base(BaseImage),
    /// The files of a context given by name with `--build-context`.
    NamedContext(String),
    /// Runs a command in the root of its first input.
    Run(Box<RunOp>),
    /// Copies into the root of its first input.
    Copy(CopyOp),
    /// Makes a directory in the root of its first input, unless it is there.
    Workdir(WorkdirOp),
    /// A root with one file, fetched over HTTP.
    Download(DownloadOp),
    /// A root with the files of a git repository.
    Git(GitOp),
}

impl Op {
    /// Whether the node changes the root of its first input, and so makes a layer.
    pub fn makes_layer(&self) -> bool {
        matches!(self, Self::Run(_) | Self::Copy(_) | Self::Workdir(_))
    }
}

/// A command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunOp {
    /// The argument vector, shell included.
    pub argv: Vec<String>,
    /// The environment, declared build arguments included, in order.
    pub env: Vec<(String, String)>,
    /// Proxies from build arguments that are not declared. They belong to the environment, and to no key.
    pub proxy_env: Vec<(String, String)>,
    /// `user[:group]`, names or numbers; empty for root.
    pub user: String,
    /// The working directory.
    pub cwd: String,
    /// The mounts, in order.
    pub mounts: Vec<Mount>,
    /// The network.
    pub network: Network,
    /// The confinement.
    pub security: Security,
    /// The devices.
    pub devices: Vec<DeviceRequest>,
    /// A script that has to be there while the command runs.
    pub script: Option<Script>,
    /// The host name, if one is asked for.
    pub hostname: Option<String>,
}

/// A device of the Container Device Interface.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DeviceRequest {
    /// Its name.
    pub name: String,
    /// Whether the build fails without it.
    pub required: bool,
}

/// A heredoc that begins with `#!`: a file in a read-only directory that exists only while the command runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// The directory that is mounted.
    pub directory: String,
    /// The name of the file in it.
    pub name: String,
    /// Its content; the mode is 0755.
    pub content: String,
}

/// A copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyOp {
    /// From what, in order.
    pub sources: Vec<CopySource>,
    /// To where; a `/` at its end says that it is a directory.
    pub destination: String,
    /// What is left out: patterns as in an ignore file, relative to each source.
    pub excludes: Vec<String>,
    /// `user[:group]`, names or numbers of the destination's image; root if there is none.
    pub owner: Option<String>,
    /// The mode to set.
    pub mode: Option<Mode>,
    /// Whether the layer must not depend on the root below it.
    pub link: bool,
}

/// One source of a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CopySource {
    /// Files of the context or of a root.
    Files(CopyFiles),
    /// A file that stands in the Dockerfile; the mode is 0644.
    Inline {
        /// Its name.
        name: String,
        /// Its content.
        content: String,
    },
    /// The file of an [`Op::Download`].
    Download {
        /// The node.
        node: NodeId,
        /// The name of the file.
        name: String,
        /// Whether it is unpacked if it is an archive.
        unpack: bool,
    },
    /// The files of an [`Op::Git`].
    Repository {
        /// The node.
        node: NodeId,
    },
}

/// Files of the context or of a root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyFiles {
    /// Where they are.
    pub from: FilesFrom,
    /// As the Dockerfile says, for messages.
    pub written: String,
    /// The path from the top, clean, beginning with `/`; it may have wildcards, and then may match nothing.
    pub path: String,
    /// `--parents`: what is copied below `path`, directories and all.
    pub parents: Option<Parents>,
    /// Whether archives are unpacked.
    pub unpack: bool,
}

/// The selection of `COPY --parents`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parents {
    /// Pattern below the source's path, as in an ignore file, with no `/` in front.
    pub pattern: String,
    /// Whether something must match: there is no wildcard.
    pub required: bool,
}

/// Where files are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FilesFrom {
    /// The build context, ignore rules applied.
    Context,
    /// The root that a node makes.
    Node(NodeId),
    /// An empty directory.
    Empty,
}

/// A directory to make, with those above it; mode 0755.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkdirOp {
    /// The directory.
    pub path: String,
    /// Whose it becomes; empty for root.
    pub user: String,
}

/// A file from the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DownloadOp {
    /// From where.
    pub url: String,
    /// The name that the file gets.
    pub name: String,
    /// The digest that it must have, such as `sha256:…`.
    pub checksum: Option<String>,
}

/// A repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitOp {
    /// Which, and what of it.
    pub source: GitSource,
    /// Whether `.git` is kept.
    pub keep_git_dir: bool,
    /// What the commit's name must begin with.
    pub checksum: Option<String>,
}

impl CopySource {
    /// The node that it comes from.
    pub(super) fn node(&self) -> Option<NodeId> {
        match self {
            Self::Files(CopyFiles { from: FilesFrom::Node(node), .. })
            | Self::Download { node, .. }
            | Self::Repository { node } => Some(*node),
            Self::Files(_) | Self::Inline { .. } => None,
        }
    }

    fn node_mut(&mut self) -> Option<&mut NodeId> {
        match self {
            Self::Files(CopyFiles { from: FilesFrom::Node(node), .. })
            | Self::Download { node, .. }
            | Self::Repository { node } => Some(node),
            Self::Files(_) | Self::Inline { .. } => None,
        }
    }
}

/// The nodes that `op` refers to by itself, apart from the inputs of its node.
pub(super) fn references(op: &mut Op) -> Vec<&mut NodeId> {
    match op {
        Op::Run(run) => run.mounts.iter_mut().filter_map(|mount| mount.kind.node_mut()).collect(),
        Op::Copy(copy) => copy.sources.iter_mut().filter_map(CopySource::node_mut).collect(),
        Op::Scratch | Op::Base(_) | Op::NamedContext(_) | Op::Workdir(_) | Op::Download(_) | Op::Git(_) => Vec::new(),
    }
}
