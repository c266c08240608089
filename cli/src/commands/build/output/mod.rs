//! `--output`: where the image of a build goes. BuildKit's types and keys (docs.docker.com, "exporters").

mod annotation;
mod archive;
mod deliver;
mod fields;
mod image;
mod kind;
mod local;
mod packed;
mod spec;
#[cfg(test)]
mod tests;
mod tree;
mod writer;

pub(super) use deliver::{Delivered, Delivery, deliver};
pub(super) use spec::Outputs;
