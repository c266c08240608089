//! The plan of a build: a graph whose nodes stand after everything that they need.

use dhow_layer_store::oci::ImageConfig;

use super::op::{Op, references};
use crate::diagnostic::Diagnostic;
use crate::source::Span;

/// The place of a node in [`Plan::nodes`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub usize);

/// One step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// What it does.
    pub op: Op,
    /// What it needs, each of them earlier. The first input of a node that makes a layer is the root that it changes.
    pub inputs: Vec<NodeId>,
    /// The instruction that it comes from.
    pub span: Span,
    /// How progress names it, such as `[build 2/5] RUN make`.
    pub display: String,
    /// The place of its stage among the file's stages; `None` for what belongs to no stage.
    pub stage: Option<usize>,
}

/// Everything that a build has to do.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The steps; only those that the targets need.
    pub nodes: Vec<Node>,
    /// The images to make of them: one, or one for each platform that was [joined](super::join()).
    pub images: Vec<PlannedImage>,
    /// What else the Dockerfile and the arguments ask for.
    pub settings: Settings,
    /// What is dubious.
    pub warnings: Vec<Diagnostic>,
}

/// An image that the steps lead to.
#[derive(Debug, Clone)]
pub struct PlannedImage {
    /// The node whose root is the image's.
    pub target: NodeId,
    /// The node at the bottom of the target: [`Op::Scratch`] or [`Op::Base`].
    pub base: NodeId,
    /// The nodes from the base up to the target that make the image's new layers, in order; one for each history
    /// entry after the base's that is not marked empty.
    pub layers: Vec<NodeId>,
    /// The image's config. Its layers are those of the base; history entries that this build adds have no date.
    pub config: ImageConfig,
    /// How many history entries come from the base.
    pub base_history: usize,
}

impl Plan {
    /// The node `id`.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0]
    }
}

/// What steers the builder by way of build arguments.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// `SOURCE_DATE_EPOCH` in seconds since 1970.
    pub epoch: Option<i64>,
    /// `BUILDKIT_CACHE_MOUNT_NS`: keeps the cache mounts of builds apart.
    pub cache_mount_namespace: Option<String>,
    /// `BUILDKIT_CONTEXT_KEEP_GIT_DIR`.
    pub keep_git_dir: bool,
    /// `BUILDKIT_INLINE_CACHE`.
    pub inline_cache: bool,
    /// `BUILDKIT_MULTI_PLATFORM`.
    pub multi_platform: bool,
    /// `BUILDKIT_BUILD_NAME`.
    pub build_name: Option<String>,
}

impl PlannedImage {
    /// Moves every node to the place that `place` gives it.
    pub(super) fn relocate(&mut self, place: impl Fn(NodeId) -> NodeId) {
        self.target = place(self.target);
        self.base = place(self.base);
        self.layers.iter_mut().for_each(|layer| *layer = place(*layer));
    }
}

impl Node {
    /// Moves the nodes that this one refers to to the places that `place` gives them.
    pub(super) fn relocate(&mut self, place: impl Fn(NodeId) -> NodeId) {
        self.inputs.iter_mut().for_each(|input| *input = place(*input));
        references(&mut self.op).into_iter().for_each(|id| *id = place(*id));
    }
}
