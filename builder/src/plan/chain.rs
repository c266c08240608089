//! The nodes while they are collected.

use std::collections::HashMap;

use super::graph::{Node, NodeId};
use super::op::{BaseImage, Op};
use crate::source::Span;

/// The nodes so far. Each base image, each named context and the empty root are there once.
#[derive(Debug, Default)]
pub(super) struct Nodes {
    pub(super) list: Vec<Node>,
    bases: HashMap<BaseImage, NodeId>,
    contexts: HashMap<String, NodeId>,
    scratch: Option<NodeId>,
}

impl Nodes {
    /// Adds a node.
    pub(super) fn push(&mut self, node: Node) -> NodeId {
        self.list.push(node);
        NodeId(self.list.len() - 1)
    }

    /// The node of the empty root.
    pub(super) fn scratch(&mut self, span: Span) -> NodeId {
        if let Some(id) = self.scratch {
            return id;
        }
        let display = "[internal] scratch".to_owned();
        let id = self.push(Node { op: Op::Scratch, inputs: Vec::new(), span, display, stage: None });
        self.scratch = Some(id);
        id
    }

    /// The node of a base image; `display` names it if it is new.
    pub(super) fn base(&mut self, image: &BaseImage, span: Span, display: String) -> NodeId {
        if let Some(id) = self.bases.get(image) {
            return *id;
        }
        let node = Node { op: Op::Base(image.clone()), inputs: Vec::new(), span, display, stage: None };
        let id = self.push(node);
        self.bases.insert(image.clone(), id);
        id
    }

    /// The node of the files of a named context.
    pub(super) fn context(&mut self, name: &str, span: Span) -> NodeId {
        if let Some(id) = self.contexts.get(name) {
            return *id;
        }
        let (op, display) = (Op::NamedContext(name.to_owned()), format!("[context {name}]"));
        let id = self.push(Node { op, inputs: Vec::new(), span, display, stage: None });
        self.contexts.insert(name.to_owned(), id);
        id
    }
}
